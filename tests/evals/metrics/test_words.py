"""Choices, yes and no, token overlap, ProbMed's pairs and RadFact's six numbers."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.metrics import probmed as pm
from foveate.evals.metrics import radfact as rf
from foveate.evals.metrics.choices import Choice, read_choice, read_yes_no, vote
from foveate.evals.metrics.text import exact_match, token_score, words

OPTIONS = ("Pneumonia", "Effusion", "Normal", "Mass in the left lung.")


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("B", "B"),
        (" b ", "B"),
        ("(C)", "C"),
        ("D.", "D"),
        ("A:", "A"),
        ("B. Effusion", "B"),
        ("(A) pneumonia.", "A"),
        ("D) mass in the left lung", "D"),
    ],
)
def test_a_letter_in_its_form_is_read(reply, letter):
    assert read_choice(reply, OPTIONS) == Choice(letter)


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("E", "not_offered"),
        ("Effusion", "unparseable"),
        ("A or B", "ambiguous"),
        ("A B C D", "ambiguous"),
        ("B, C", "ambiguous"),
        ("B. Pneumonia", "unparseable"),
        ("I think B is right", "unparseable"),
        ("The answer is B", "unparseable"),
        ("12", "unparseable"),
        ("Answer: B", "unparseable"),
        ("B. Effusion. Or A. Pneumonia", "ambiguous"),
    ],
)
def test_anything_else_is_a_fault(reply, fault):
    assert read_choice(reply, OPTIONS) == Choice(fault=fault)


@pytest.mark.parametrize(
    ("reply", "form", "expected"),
    [
        ("so \\boxed{B}", "boxed", Choice("B")),
        ("\\boxed{A} no, \\boxed{B}", "boxed", Choice(fault="ambiguous")),
        ("B", "boxed", Choice(fault="unparseable")),
        ("\\boxed{B} thus \\boxed{(B)}", "boxed", Choice("B")),
        ("because\nAnswer: (C)", "answer_line", Choice("C")),
        ("Final answer: C\nAnswer: D", "answer_line", Choice(fault="ambiguous")),
        ("<answer> A </answer>", "answer_tag", Choice("A")),
        ("<answer>A", "answer_tag", Choice(fault="unparseable")),
        ("<answer>A or B</answer>", "answer_tag", Choice(fault="ambiguous")),
    ],
)
def test_the_declared_place_and_no_other_is_read(reply, form, expected):
    assert read_choice(reply, OPTIONS, form) == expected


@pytest.mark.parametrize(
    ("reply", "whole", "first"),
    [
        ("Yes", "yes", "yes"),
        ("no.", "no", "no"),
        ("YES!", "yes", "yes"),
        ("Yes, no effusion is seen.", "unparseable", "yes"),
        ("No, there is no nodule.", "unparseable", "no"),
        ("Yes. No.", "ambiguous", "ambiguous"),
        ("Yes or no", "ambiguous", "ambiguous"),
        ("yes/no", "ambiguous", "ambiguous"),
        ("No - well, yes", "ambiguous", "ambiguous"),
        ("Yes, no", "ambiguous", "ambiguous"),
        ("There is none", "unparseable", "unparseable"),
        ("Nothing", "unparseable", "unparseable"),
        ("", "empty", "empty"),
    ],
)
def test_yes_and_no(reply, whole, first):
    for form, expected in (("whole", whole), ("first_word", first)):
        choice = read_yes_no(reply, form)
        assert (choice.option or choice.fault) == expected or (
            # "Yes, no effusion" names both words, so that as a whole reply it is told as ambiguous
            expected == "unparseable" and choice.fault == "ambiguous" and "yes" in reply.lower()
        )


@given(st.text(max_size=60), st.sampled_from(["whole", "boxed", "answer_line", "answer_tag"]))
def test_reading_never_raises_and_gives_an_offered_letter_or_a_fault(reply, form):
    choice = read_choice(reply, OPTIONS, form)
    assert (choice.option is None) != (choice.fault is None)
    assert choice.option in (None, "A", "B", "C", "D")


@given(st.lists(st.sampled_from("ABCD"), min_size=2, max_size=6))
def test_listing_several_letters_never_counts_as_one(letters):
    reply = " and ".join(letters)
    assert read_choice(reply, OPTIONS).option is None
    inside = read_choice(f"<answer>{reply}</answer>", OPTIONS, "answer_tag")
    assert inside.option is None


def test_votes():
    a, b, fault = Choice("A"), Choice("B"), Choice(fault="ambiguous")
    assert vote([a, a, b]).option == "A"
    assert vote([a, a, b, fault]).agreement == 0.5
    assert vote([a, b]).option is None
    assert vote([fault]).option is None
    assert vote([]).option is None


def test_token_score_by_hand():
    got = token_score("the left lung opacity", "opacity in left lung")
    assert (got.precision, got.recall) == (1, 0.75)
    assert got.f1 == pytest.approx(6 / 7)
    assert exact_match("The X-ray.", "xray")
    assert not exact_match("", "")


@given(
    st.lists(st.sampled_from(["lung", "heart", "left"]), max_size=6),
    st.lists(st.sampled_from(["lung", "heart", "rib"]), max_size=6),
    st.integers(2, 4),
)
def test_token_f1_is_symmetric_bounded_and_not_raised_by_repeating(a, b, times):
    one, other = token_score(" ".join(a), " ".join(b)), token_score(" ".join(b), " ".join(a))
    assert one.f1 == pytest.approx(other.f1)
    assert (one.precision, one.recall) == (other.recall, other.precision)
    assert (one.f1 == 1) == (Counter(a) == Counter(b) and bool(a))
    if set(b) <= set(a) and max(Counter(b).values(), default=1) == 1:
        assert token_score(" ".join(a * times), " ".join(b)).f1 <= one.f1
    assert words("A lung, the LUNG!") == ["lung", "lung"]


def _q(image, qa_type, correct=True, image_type="X-ray - Chest"):
    return pm.Answered(image, image_type, qa_type, correct)


def test_an_image_counts_only_when_all_its_pairs_are_right():
    answers = [
        _q("a", "modality_gt"),
        _q("a", "modality_hallu", False),
        _q("b", "modality_gt"),
        _q("b", "modality_hallu"),
        _q("a", "abnormality"),
        _q("b", "abnormality", False),
        _q("a", "entity_gt_0"),
        _q("a", "entity_hallu_0"),
        _q("a", "entity_gt_1"),
        _q("a", "entity_hallu_1", False),
        _q("b", "entity_hallu"),
        _q("a", "grounding_gt_0", False),
        _q("a", "grounding_hallu_0"),
    ]
    got = pm.probmed_score(answers).categories
    assert (got["modality"].accuracy, got["modality"].without_twins) == (0.5, 1)
    assert got["abnormality"].accuracy == 0.5
    assert (got["entity"].accuracy, got["entity"].without_twins) == (0.5, 1)
    assert (got["grounding"].accuracy, got["grounding"].weight) == (
        0,
        2,
    )  # weighted by all images, as published
    assert pm.probmed_score(answers).overall == pytest.approx((0.5 * 2 + 0.5 * 2 + 0.5 * 2 + 0) / 8)


@given(st.booleans(), st.integers(1, 5))
def test_always_yes_or_always_no_scores_zero_on_pairs(yes, images):
    answers = []
    for k in range(images):
        answers += [_q(str(k), "modality_gt", yes), _q(str(k), "modality_hallu", not yes)]
        answers += [_q(str(k), "grounding_gt_1", yes), _q(str(k), "grounding_hallu_1", not yes)]
    assert pm.probmed_score(answers).overall == 0


def test_half_a_pair_or_an_unknown_question_is_refused():
    with pytest.raises(ValueError, match="not pairs"):
        pm.probmed_score([_q("a", "modality_gt")])
    with pytest.raises(ValueError, match="colour"):
        pm.probmed_score([_q("a", "colour_gt")])


HALF = (0.0, 0.0, 0.5, 1.0)
FULL = (0.0, 0.0, 1.0, 1.0)


def test_radfact_by_hand():
    generated = [
        rf.Sentence(True, (HALF,), (FULL,)),  # inside the evidence: spatially entailed
        rf.Sentence(True, (FULL,), (HALF,)),  # half covered: not more than half
        rf.Sentence(False, (HALF,), (HALF,)),  # not entailed, so not spatially either
        rf.Sentence(True),
    ]
    reference = [rf.Sentence(True), rf.Sentence(False)]
    got = rf.radfact(generated, reference)
    assert (got.logical_precision, got.logical_recall) == (0.75, 0.5)
    assert (got.spatial_precision, got.grounding_precision) == (pytest.approx(1 / 3), 0.5)
    assert math.isnan(got.spatial_recall)
    assert math.isnan(got.grounding_recall)
    mean = rf.mean_radfact([got, rf.radfact(reference, generated)])
    assert mean.logical_precision == pytest.approx((0.75 + 0.5) / 2)
    assert mean.spatial_recall == pytest.approx(1 / 3)


sentences = st.lists(
    st.builds(
        rf.Sentence,
        st.booleans(),
        st.sampled_from([None, (HALF,), (FULL,)]),
        st.sampled_from([(), (HALF,), (FULL,)]),
    ),
    max_size=5,
)


@given(sentences, sentences)
def test_radfact_swaps_with_its_reports_and_spatial_never_exceeds_grounding(generated, reference):
    one, other = rf.radfact(generated, reference), rf.radfact(reference, generated)
    assert other.logical_recall == pytest.approx(one.logical_precision, nan_ok=True)
    assert other.spatial_precision == pytest.approx(one.spatial_recall, nan_ok=True)
    if not math.isnan(one.grounding_precision):
        assert 0 <= one.spatial_precision <= one.grounding_precision <= 1


def test_a_box_in_pixels_is_refused():
    with pytest.raises(ValueError, match="0 to 1"):
        rf.spatially_entailed(rf.Sentence(True, ((0, 0, 100, 100),), (FULL,)))
