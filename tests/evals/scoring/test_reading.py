"""Readings of agent answers and plain replies, the order of reading and truth, and the names of outcomes."""

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import foveate.evals.scoring as package
from foveate.agent.models.boxtext import TextBox
from foveate.agent.models.families import PROFILES
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Region, Target
from foveate.evals.scoring import blind, kinds
from foveate.evals.scoring.answer import SeenImage, prediction_of
from foveate.evals.scoring.boxes import overlaps, score_boxes, score_solids, verdict
from foveate.evals.scoring.faults import name_of
from foveate.evals.scoring.plain import Declared, read_plain_boxes
from foveate.evals.scoring.reading import read_boxes
from foveate.evals.scoring.words import option_verdict, score_text, text_verdict

from .cases import HEIGHT, TRUE, TRUE_BOX, VIEW, WIDTH, boxed, question, said

READERS = ("answer", "reading", "plain", "faults")


def _evidence(name, box, **more):
    return {
        "id": name,
        "image": "img0",
        "slice": 4,
        "plane": "axial",
        "box": box,
        "label": "mass",
        "tool": "ground",
        "seen_in": "view",
        **more,
    }


def _answer(**more):
    claims = [
        {"text": "a mass", "evidence": ["E2", "E1", "E3"], "present": True, "supported": True},
        {"text": "no effusion", "evidence": ["E4"], "present": False},
    ]
    evidence = [
        _evidence("E1", [1, 2, 3, 4], score=0.7, score_kind="fixed_scale"),
        _evidence("E2", [5, 6, 7, 8], image="img1", score=9.0, score_kind="relative"),
        _evidence("E3", [1, 2, 3, 4], score=0.7, score_kind="fixed_scale"),
        _evidence("E4", [0, 0, 9, 9]),
    ]
    return {"answer": "A mass.", "claims": claims, "evidence": evidence, "confidence": 0.8, **more}


def test_an_agents_answer_becomes_its_claims_of_presence_with_boxes():
    got = prediction_of(_answer(), [SeenImage("img0", "axial"), SeenImage("img1", "coronal")])
    first = Region((5, 6, 7, 8), image=1, slice_index=4, plane="axial", label="mass")
    second = Region((1, 2, 3, 4), image=0, slice_index=4, plane=None, label="mass", score=0.7)
    assert got.regions == (first, second)  # as cited, once each, and not what a denial cites
    assert [claim.regions for claim in got.claims] == [(0, 1), ()]
    assert (got.text, got.confidence, got.stopped_by) == ("A mass.", 0.8, "answer")
    assert kinds.read(question(), got).regions == got.regions


def test_a_broken_trace_is_an_error_and_not_a_wrong_answer():
    with pytest.raises(ValueError, match="does not have"):
        prediction_of(_answer(), [SeenImage("other", "axial")])
    with pytest.raises(ValueError, match="text"):
        prediction_of({"claims": []}, [])


@given(st.sampled_from(PROFILES), st.integers(4, 60), st.integers(4, 60))
def test_every_family_is_read_in_its_own_convention(family, x, y):
    box = (x, y, x + 150, y + 140)
    declared = Declared.of(family)
    if family.box.field == "center_square":
        box = (box[0] + 64, box[1], box[2] + 64, box[3])
    reply = family.write_boxes([TextBox("mass", family.box_from_view(box, WIDTH, HEIGHT))])
    reading = read_plain_boxes(reply, declared, VIEW, image=2)
    assert reading.outcome == "read", reading
    step = max(declared.convention.step(WIDTH, HEIGHT, declared.resize))
    assert list(reading.regions[0].box) == pytest.approx(list(box), abs=step + 1e-6)
    assert reading.regions[0].image == 2
    assert score_boxes(reading, Target(regions=(Region(box, image=2),)))["acc@0.5"] == 1


@pytest.mark.parametrize("name", ["univg-r1", "medseq-grounder"])
def test_pairs_are_read_with_and_without_the_marks_that_a_server_strips(name):
    family = next(each for each in PROFILES if each.name == name)
    bare = family.write_boxes([TextBox("mass", family.box_from_view((20, 30, 170, 170), WIDTH, HEIGHT))])
    marked = f"<|box_start|>{bare}<|box_end|>"
    read = [read_plain_boxes(reply, Declared.of(family), VIEW) for reply in (bare, marked)]
    assert [each.outcome for each in read] == ["read", "read"]
    assert read[0].regions[0].box == read[1].regions[0].box


@given(st.text(max_size=80) | st.lists(st.integers(-5, 2000), max_size=9).map(str), st.sampled_from(PROFILES))
def test_reading_a_reply_never_raises_and_credits_only_boxes_inside(reply, family):
    reading = read_plain_boxes(reply, Declared.of(family), VIEW)
    assert (reading.outcome == "read") == bool(reading.regions)
    for region in reading.regions:
        x0, y0, x1, y1 = region.box
        assert 0 <= x0 < x1 <= WIDTH
        assert 0 <= y0 < y1 <= HEIGHT
    json.dumps(dict(reading.detail))


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        ("", "empty"),
        ("<think>hm", "cut_off"),
        ("<think>[1, 2, 30, 40]</think>", "empty"),
        ("[1, 2, 30]", "malformed_box"),
        ("[10, 10, 5, 20]", "degenerate_box"),
        ("[1, 2, 900, 40]", "outside_image"),
        ("(1,2),(30,40)", "other_form"),
        ("It is on the left.", "no_box"),
        ("None", "absent"),
        ("cannot tell.", "abstained"),
        ("<box>[[1, 2, 30, 40]]</box>", "other_form"),
        ("<loc0001><loc0002><loc0003><loc0004> mass", "other_form"),
        ("I'm sorry, but I can't assist with that.", "refused"),
        ("[1, 2, 30, 40]", "read"),
    ],
)
def test_every_outcome_of_a_plain_reply_has_its_name(reply, name):
    pocket = next(family for family in PROFILES if family.name == "pocket")
    declared = Declared.of(pocket, absent=["none"], cannot_tell=["cannot tell"])
    assert name_of(read_plain_boxes(reply, declared, VIEW)) == name


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        ("draft [9, 9, 10, 10] <answer>[1, 2, 30, 40]</answer>", "read"),
        ("[1, 2, 30, 40]", "unparseable"),
        ("<answer>[1, 2, 30, 40]", "cut_off"),
        ("<answer>[1, 2, 30, 40]</answer><answer>x</answer>", "ambiguous"),
        ("<answer> </answer>", "empty"),
    ],
)
def test_only_the_answer_tag_counts_where_it_was_declared(reply, name):
    pocket = next(family for family in PROFILES if family.name == "pocket")
    reading = read_plain_boxes(reply, replace(Declared.of(pocket), answer_tag=True), VIEW)
    assert name_of(reading) == name
    assert [r.box for r in reading.regions] == ([(1, 2, 30, 40)] if name == "read" else [])


def test_a_box_in_another_image_plane_or_slice_is_a_wrong_box():
    target = Target(regions=(Region(TRUE_BOX, image=1, slice_index=3),))
    for other in (Region(TRUE_BOX), Region(TRUE_BOX, 1, 4), Region(TRUE_BOX, 1, 3, plane="coronal")):
        reading = read_boxes(boxed(other))
        assert verdict(reading, target) == "wrong_box"
        assert set(score_boxes(reading, target).values()) == {0}
    assert verdict(read_boxes(boxed(Region(TRUE_BOX, 1, 3))), target) == "correct"


def test_solids_overlap_over_their_slices():
    target = Target(regions=(Region(TRUE_BOX, slice_index=2, slice_stop=6),))
    reading = read_boxes(boxed(Region(TRUE_BOX, slice_index=4, slice_stop=8)))
    assert overlaps(reading.regions, target.regions)[0, 0] == pytest.approx(2 / 6)
    assert score_solids(reading, target) == {
        "miou_3d": pytest.approx(1 / 3),
        "matched_iou_3d": pytest.approx(1 / 3),
    }
    assert overlaps((), target.regions).shape == (0, 1)


def test_the_answers_own_best_box_is_that_with_the_highest_score_if_all_have_one():
    wrong = Region((0, 0, 9, 9), score=0.2)
    assert score_boxes(read_boxes(boxed(wrong, Region(TRUE_BOX, score=0.9))), TRUE)["miou_box"] == 1
    assert score_boxes(read_boxes(boxed(wrong, Region(TRUE_BOX))), TRUE)["miou_box"] == 0


def test_words_have_verdicts():
    text = Target(answer="left lung")
    for reply, expected in (
        ("The left lung.", "correct"),
        ("left side", "partly"),
        ("heart", "wrong"),
        ("", "empty"),
    ):
        assert text_verdict(kinds.read(question("text"), said(reply)), text) == expected
    asked = question("choice")
    for reply, expected in (("B", "correct"), ("C", "wrong"), ("A or B", "ambiguous"), ("D", "not_offered"),
                            ("I cannot provide a diagnosis", "refused")):  # fmt: skip
        assert option_verdict(kinds.read(asked, said(reply)), TRUE) == expected
    with pytest.raises(ValueError, match="no answer"):
        score_text(Reading("read", "x"), Target())


class _Tripwire(Exception):
    pass


def test_the_truth_is_not_fetched_before_the_reading_is_done():
    order = []

    def read(reply):
        order.append("read")
        return kinds.read(question(), reply)

    def fetch():
        order.append("truth")
        return TRUE

    got = blind.judge_blind(boxed(TRUE_BOX), blind.Judgement(read, score_boxes, verdict), fetch)
    assert order == ["read", "truth"]
    assert (got.verdict, got.values["matched_iou"]) == ("correct", 1)
    with pytest.raises(_Tripwire):
        blind.judge_blind(boxed(), blind.Judgement(_trip, score_boxes, verdict), fetch)
    assert order == ["read", "truth"]


def _trip(reply):
    raise _Tripwire


@pytest.mark.parametrize("module", READERS)
def test_no_reader_so_much_as_names_the_target(module):
    path = Path(next(iter(package.__path__))) / f"{module}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    named |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    named |= {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    sources = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in named if "target" in name.lower() or "truth" in name.lower()}
    assert not sources & {f"foveate.evals.scoring.{name}" for name in ("boxes", "words", "kinds", "blind")}


def test_all_outcomes_are_counted():
    assert blind.tally(["correct", "empty", "correct"]) == {"correct": 2, "empty": 1}
