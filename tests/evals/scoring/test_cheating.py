"""Ways to earn credit without knowing: none scores above an honest failure (a wrong box, a wrong letter)."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.agent.models.boxtext import JSON_BBOX_2D, PLAIN_LIST, TextBox
from foveate.agent.models.conventions import BoxConvention
from foveate.agent.models.families import PROFILES
from foveate.agent.models.profiles import profile_named
from foveate.agent.models.resize import unchanged
from foveate.evals.contract.answers import Claim, Prediction
from foveate.evals.contract.questions import Region, Target
from foveate.evals.scoring import kinds
from foveate.evals.scoring.boxes import covers_image, score_boxes, verdict
from foveate.evals.scoring.plain import Declared, read_plain_boxes

from .cases import HEIGHT, NOTHING, TRUE, TRUE_BOX, VIEW, WIDTH, boxed, grid, question, said

PIXELS = Declared(BoxConvention("xyxy", "absolute_view"), PLAIN_LIST, unchanged, absent=("none",))
HONEST = kinds.score(question(), kinds.read(question(), boxed((300, 300, 340, 340))), TRUE)


def values(prediction: Prediction, target: Target = TRUE) -> dict[str, float]:
    return dict(score_boxes(kinds.read(question(), prediction), target))


def outcome(prediction: Prediction, target: Target = TRUE) -> str:
    return verdict(kinds.read(question(), prediction), target)


def test_an_honest_failure_scores_nothing_and_the_truth_everything():
    assert set(HONEST.values()) == {0}
    assert set(values(boxed(TRUE_BOX)).values()) == {1}
    assert (outcome(boxed((300, 300, 340, 340))), outcome(boxed(TRUE_BOX))) == ("wrong_box", "correct")


@given(st.permutations(grid()))
def test_spraying_the_picture_with_boxes_does_not_pay(boxes):
    scores = values(boxed(*boxes))
    assert scores["matched_iou"] <= 1 / len(boxes)
    assert scores["f1"] <= 2 / (len(boxes) + 1)
    assert outcome(boxed(*boxes)) in ("wrong_box", "partly")


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 300)), min_size=1, max_size=8, unique=True))
def test_boxes_sprayed_after_a_first_choice_never_raise_a_value(corners):
    first = (110, 120, 200, 200)
    extra = [(x, y, x + 60, y + 60) for x, y in corners]
    alone, sprayed = values(boxed(first)), values(boxed(first, *extra))
    for name in ("miou_box", "acc@0.5", "precision", "f1"):
        assert sprayed[name] <= alone[name] + 1e-12
    assert sprayed["recall"] <= 1  # recall alone may rise, which is why f1 stands beside it


def test_the_public_scorer_that_keeps_the_nearest_box_is_not_this_one():
    # nine readings of the same numbers, the right one among them: IoU 1.0 there, the first box's here
    nine = [(1, 1, 20, 20), *[(x, 2, x + 30, 60) for x in range(10, 80, 10)], TRUE_BOX]
    assert values(boxed(*nine))["miou_box"] == 0
    assert values(boxed(*nine))["precision"] == pytest.approx(1 / 9)
    assert outcome(boxed(*nine)) == "partly"


def test_repeating_the_right_box_is_one_box_but_nearly_repeating_it_is_many():
    near = [(TRUE_BOX[0] + d, *TRUE_BOX[1:]) for d in range(5)]
    assert values(boxed(*near))["precision"] == pytest.approx(1 / 5)
    plain = read_plain_boxes("[100, 120, 180, 200] [100, 120, 180, 200]", PIXELS, VIEW)
    assert len(plain.regions) == 1


def test_a_box_round_the_whole_picture_is_worth_its_iou_and_no_hit():
    whole = boxed((0, 0, WIDTH, HEIGHT))
    assert values(whole)["miou_box"] == pytest.approx(80 * 80 / (WIDTH * HEIGHT))
    assert values(whole)["acc@0.1"] == values(whole)["f1"] == 0
    assert outcome(whole) == "wrong_box"
    assert covers_image(whole.regions[0], WIDTH, HEIGHT)
    assert not covers_image(Region(TRUE_BOX), WIDTH, HEIGHT)
    assert values(whole, NOTHING) == {"no_target_acc": 0, "false_alarm": 1}


@pytest.mark.parametrize("reason", ["cannot_tell", "image_unusable", "no_evidence", None])
@pytest.mark.parametrize("target", [TRUE, NOTHING])
def test_always_abstaining_earns_nothing_even_with_the_right_box_in_it(reason, target):
    prediction = boxed(TRUE_BOX, abstained=True, reason=reason)
    assert outcome(prediction, target) == "abstained"
    assert set(values(prediction, target).values()) == {0}
    for kind in ("choice", "yes_no", "text"):
        reading = kinds.read(question(kind), said("B", abstained=True, reason=reason))
        assert set(kinds.score(question(kind), reading, TRUE).values()) == {0}


def test_always_saying_not_visible_earns_only_where_nothing_is_to_be_found():
    denial = said("No mass is visible.", abstained=True, reason="not_visible")
    assert outcome(denial, NOTHING) == "correct_absence"
    assert outcome(denial) == "abstained"
    assert set(values(denial).values()) == {0}


def test_silence_rambling_and_error_are_no_denial():
    denied = Prediction("No mass.", claims=(Claim("no mass", present=False, supported=True),))
    assert outcome(denied, NOTHING) == "correct_absence"
    assert outcome(denied) == "missed"
    asserted = Prediction("A mass.", claims=(Claim("a mass", present=True),))
    for prediction in (
        said("A mass in the left lung."),
        asserted,
        said(""),
        said("I'm sorry, I cannot help."),
    ):
        assert values(prediction, NOTHING) == {"no_target_acc": 0, "false_alarm": 0}
        assert outcome(prediction, NOTHING) in ("no_box", "empty", "refused")
    for reply in (
        "garbage [1, 2, 3",
        "<box>",
        "",
        "I cannot assist with medical images.",
        "maybe none, maybe",
    ):
        reading = read_plain_boxes(reply, PIXELS, VIEW)
        assert set(score_boxes(reading, NOTHING).values()) == {0}
        assert verdict(reading, NOTHING) != "correct_absence"
    assert verdict(read_plain_boxes("None.", PIXELS, VIEW), NOTHING) == "correct_absence"


def test_runs_that_did_not_end_well_earn_nothing():
    for stopped_by, expected in (
        ("tokens", "stopped"),
        ("repairs", "no_legal_answer"),
        ("model_error", "failed"),
    ):
        prediction = boxed(TRUE_BOX, abstained=True, reason="no_evidence", stopped_by=stopped_by)
        assert outcome(prediction) == outcome(prediction, NOTHING) == expected
        assert set(values(prediction).values()) | set(values(prediction, NOTHING).values()) == {0}


@given(st.floats(64, 420), st.floats(1, 360), st.sampled_from(PROFILES))
def test_numbers_of_another_scale_are_never_rescaled(x, y, family):
    """Whatever family the reply is written for, numbers are read as declared (pixels here) or not at all."""
    box = (x, y, x + 20, y + 20)
    reply = PLAIN_LIST.write([TextBox("", family.box_from_view(box, WIDTH, HEIGHT))])
    reading = read_plain_boxes(reply, PIXELS, VIEW)
    if reading.outcome == "read":
        assert list(reading.regions[0].box) == pytest.approx(list(PLAIN_LIST.parse(reply)[0].numbers))
    else:
        assert reading.detail["fault"] in ("outside_image", "degenerate_box")
        assert set(score_boxes(reading, TRUE).values()) == {0}


def test_thousandths_where_pixels_were_declared_are_an_error_or_a_wrong_box():
    thousandths = [round(v * 1000 / s) for v, s in zip(TRUE_BOX, (WIDTH, HEIGHT) * 2, strict=True)]
    reading = read_plain_boxes(str(thousandths), PIXELS, VIEW)
    assert (reading.outcome, reading.detail["fault"]) == ("unreadable", "outside_image")
    assert verdict(reading, TRUE) == "outside_image"
    fractions = [round(v / s, 3) for v, s in zip(TRUE_BOX, (WIDTH, HEIGHT) * 2, strict=True)]
    assert verdict(read_plain_boxes(str(fractions), PIXELS, VIEW), TRUE) == "wrong_box"


def test_boxes_in_the_form_of_another_family_are_named_and_not_used():
    qwen = Declared.of(profile_named("qwen3-vl"))
    for family in PROFILES:
        reply = family.write_boxes([TextBox("mass", family.box_from_view(TRUE_BOX, WIDTH, HEIGHT))])
        reading = read_plain_boxes(reply, qwen, VIEW)
        if family.box_text is JSON_BBOX_2D:
            assert reading.outcome in ("read", "unreadable")
        else:
            assert reading.detail["fault"] == "other_form"
            assert set(score_boxes(reading, TRUE).values()) == {0}


def test_one_illegal_box_spoils_the_reply():
    reply = "[100, 120, 180, 200], [0, 0, 600, 10]"
    assert read_plain_boxes(reply, PIXELS, VIEW).detail["fault"] == "outside_image"
    assert read_plain_boxes("[100, 120, 180, 200], [50, 50, 40, 60]", PIXELS, VIEW).detail["fault"] == (
        "degenerate_box"
    )


def _choice(reply: str, form: str | None = None) -> float:
    asked = question("choice")
    return kinds.score(asked, kinds.read(asked, said(reply), form), TRUE)["accuracy"]


@pytest.mark.parametrize(
    "reply",
    [
        "A or B",
        "A, B, C",
        "B C",
        "A B C A B C",
        "B B",
        "It is A. No, B.",
        "B? or A",
        "All of A, B and C",
        "",
        "Answer: B",
        "\\boxed{B}",
        "Z",
        "The options are A, B and C; B is likely",
        "<think>B</think>",
    ],
)
def test_naming_several_options_or_none_in_the_form_is_no_answer(reply):
    assert _choice(reply) == 0
    assert _choice("B") == _choice("(B)") == _choice("B. Mass") == 1


@given(st.lists(st.sampled_from(["A", "B", "C", "Mass", "Normal", "and", "or"]), min_size=2, max_size=8))
def test_rambling_over_options_never_earns_more_than_the_wrong_letter(words):
    for form, wrap in ((None, "{}"), ("answer_tag", "<answer>{}</answer>"), ("boxed", "\\boxed{{{}}}")):
        credit = _choice(wrap.format(" ".join(words)), form)
        assert credit == 0 or words == ["B", "Mass"]


def test_yes_and_no_together_is_no_answer():
    asked = question("yes_no")
    score: Callable[[str, str], float] = lambda reply, truth: kinds.score(  # noqa: E731
        asked, kinds.read(asked, said(reply)), Target(answer=truth)
    )["accuracy"]
    for reply in ("Yes and no.", "Yes. No.", "yes/no", "No, but yes", "Perhaps yes", ""):
        assert score(reply, "yes") == score(reply, "no") == 0
    assert score("Yes, a mass is seen.", "Yes") == score("No.", "no") == 1


def test_listing_many_words_lowers_the_f1_of_a_free_answer():
    asked, target = question("text"), Target(answer="left lung", answers=("left lobe",))
    score = lambda reply: kinds.score(asked, kinds.read(asked, said(reply)), target)["token_f1"]  # noqa: E731
    assert score("left lung") == 1
    assert score("left right upper lower lung heart liver") < 0.5
    assert score("left lung " * 5) < 0.4
    assert score("") == score("<think>left lung</think>") == 0
