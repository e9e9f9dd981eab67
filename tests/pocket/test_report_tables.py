"""The pocket report: scores, intervals, questions and tables, on a made-up patient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.pocket import asked, scores, tables
from foveate.pocket.anatomy import parts
from foveate.pocket.asked import Item
from foveate.pocket.data import NoduleSlice, Patient
from foveate.pocket.scores import interval, iou, macro_interval, right_relation, right_side, said_yes

from . import synthetic

GRID = 16
edges = st.tuples(st.integers(0, GRID), st.integers(0, GRID)).filter(lambda e: e[0] != e[1]).map(sorted)
boxes = st.tuples(edges, edges).map(lambda e: (e[0][0], e[1][0], e[0][1], e[1][1]))
Corners = tuple[int, int, int, int]


def raster(box: Corners) -> Any:
    filled = np.zeros((GRID, GRID), dtype=bool)
    filled[box[1] : box[3], box[0] : box[2]] = True
    return filled


@given(boxes, boxes)
@settings(deadline=None)
def test_iou_is_the_share_of_pixels_in_both(a: Corners, b: Corners) -> None:
    both, either = (raster(a) & raster(b)).sum(), (raster(a) | raster(b)).sum()
    assert iou(a, b) == pytest.approx(both / either)
    assert iou(a, b) == iou(b, a)


@given(boxes, st.floats(0.1, 50))
@settings(deadline=None)
def test_iou_of_a_box_with_itself_is_one_at_any_scale(box: Corners, scale: float) -> None:
    scaled = [v * scale for v in box]
    assert iou(scaled, scaled) == pytest.approx(1)


@given(boxes)
@settings(deadline=None)
def test_iou_of_boxes_that_only_touch_is_zero(box: Corners) -> None:
    x0, y0, x1, y1 = box
    assert iou(box, (x1, y0, x1 + 3, y1)) == 0
    assert iou(box, (x0, y1 + 2, x1, y1 + 5)) == 0


@given(st.floats(0, 1), st.integers(1, 4))
@settings(deadline=None, max_examples=4)  # each draws 2,000 samples
def test_the_interval_of_a_constant_is_that_constant(value: float, slices: int) -> None:
    low, high = interval({i: [value] * 2 for i in range(slices)}, lambda v: float(np.mean(v)))
    assert (low, high) == pytest.approx((value, value))


def test_the_interval_of_mixed_slices_holds_the_mean_and_has_width() -> None:
    low, high = interval({i: [float(i % 2)] * 3 for i in range(10)}, lambda v: float(np.mean(v)))
    assert 0 <= low < 0.5 < high <= 1


def row(kind: str, a: str, index: int = 0, tools: bool = True, **told: Any) -> dict[str, Any]:
    item = {
        "patient": "C",
        "slice_index": index,
        "kind": kind,
        "question": "?",
        "a": a,
        "b": "",
        "truth": True,
    }
    base = {"answer": "", "abstained": False, "claims": [], "boxes": [], "steps": [], "stopped_by": "answer"}
    return {
        "item": {**item, "tools": tools, "truth": told.pop("truth", True)},
        "seconds": 1.0,
        **base,
        **told,
    }


def test_the_macro_mean_counts_structures_alike() -> None:
    values = {"liver": 1.0, "aorta": 0.0}
    rows = [row("where", "liver", i) for i in range(4)] + [row("where", "aorta", 0)]
    mean, (low, high) = macro_interval(rows, lambda r: values[r["item"]["a"]])
    assert mean == 0.5
    assert 0.5 <= low <= high <= 1  # a draw without slice 0 knows the liver alone


def test_the_macro_interval_of_a_constant_is_that_constant() -> None:
    rows = [row("where", name, i) for name in ("liver", "aorta") for i in range(3)]
    assert macro_interval(rows, lambda r: 0.25) == (0.25, (0.25, 0.25))


def claim(text: str = "c", present: bool = True, supported: bool = True) -> dict[str, Any]:
    return {"text": text, "evidence": ["E1"], "present": present, "supported": supported}


@pytest.mark.parametrize(
    ("claims", "abstained", "yes"),
    [
        ([claim()], False, True),
        ([claim()], True, False),
        ([claim(supported=False)], False, False),
        ([claim(present=False)], False, False),
        ([claim(present=False), claim()], False, True),
        ([], False, False),
    ],
)
def test_yes_is_a_supported_positive_claim(claims: list[Any], abstained: bool, yes: bool) -> None:
    assert said_yes(row("present", "liver", claims=claims, abstained=abstained)) is yes


@pytest.mark.parametrize("truth", [True, False])
def test_a_relation_is_right_when_the_claim_says_it(truth: bool) -> None:
    holds = [claim("The liver is left of the spleen.")]
    fails = [claim("The liver is not left of the spleen.")]
    assert right_relation(row("relation left_of", "liver", claims=holds, truth=truth)) is truth
    assert right_relation(row("relation left_of", "liver", claims=fails, truth=truth)) is not truth
    assert not right_relation(row("relation left_of", "liver", claims=[], truth=truth))
    other = [claim("The liver is not larger than the spleen.")]
    assert not right_relation(row("relation left_of", "liver", claims=other, truth=truth))


@pytest.mark.parametrize("truth", [True, False])
def test_a_side_is_right_when_exactly_that_side_is_claimed(truth: bool) -> None:
    def says(text: str) -> bool:
        return right_side(row("side", "liver", claims=[claim(text)], truth=truth))

    assert says("The liver is on the image right, patient left.") is truth
    assert says("The liver is on the image left, patient right.") is not truth
    assert not says("The liver is on the image middle.")
    assert not says("The liver is on the image left and image right.")


def test_a_claim_of_absence_says_no_side() -> None:
    told = [claim("Nothing at image right.", present=False)]
    assert not right_side(row("side", "liver", claims=told))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    """One made-up patient in place of all three, with two slices; no real nodule but a stated one."""
    made = synthetic.scene(nodule=False)
    hu = np.where(made.labels > 0, made.hu, -1000)
    hu[40:330, 20:340] = np.maximum(hu[40:330, 20:340], -90)
    held = Patient(
        "C", np.stack([hu] * 2).astype(np.int16), np.stack([made.labels] * 2),
        (5.0, 1.2, 1.2), (0, 0, 0), parts(),
    )  # fmt: skip
    nodule = NoduleSlice(1, ((10, 10, 20, 20), (10, 10, 20, 20)), (10, 10, 20, 20))
    kept = (asked.box_of, asked._image, scores.prior_of, scores.prior_box)
    for module in (asked, scores, tables):
        monkeypatch.setattr(module, "load_patient", lambda name: held)
    for module in (asked, tables):
        monkeypatch.setattr(module, "nodule_slices", lambda: [nodule])
    for function in kept:
        function.cache_clear()
    yield held
    for function in kept:
        function.cache_clear()


def test_the_questions_agree_with_the_labels(patient: Patient) -> None:
    made = asked.items(1)
    assert made == asked.items(1)
    assert {item.kind.split()[0] for item in made} == {
        "where", "absent", "present", "relation", "side", "nodule"
    }  # fmt: skip
    for item in made:
        box = asked.box_of(item.patient, item.slice_index, item.a)
        if item.kind in ("where", "absent"):
            assert (box is not None) is (item.kind == "where") is item.truth
        if item.kind == "present":
            assert (box is not None) is item.truth
        if item.kind == "relation above":
            other = asked.box_of(item.patient, item.slice_index, item.b)
            assert box is not None
            assert other is not None
            assert item.truth is (box[3] <= other[1])
            assert item.truth is not (other[3] <= box[1])
        if item.kind == "side" and box is not None:
            assert item.truth is ((box[0] + box[2]) / 2 > patient.hu.shape[2] / 2)


def test_half_of_the_presence_questions_are_about_absent_things(patient: Patient) -> None:
    present = [item.truth for item in asked.items(1) if item.kind == "present"]
    assert sum(present) * 2 == len(present)


def answered(item: Item) -> dict[str, Any]:
    """A perfect answer with tools, an abstention without."""
    told: dict[str, Any] = {"abstained": not item.truth or not item.tools}
    if not told["abstained"]:
        side = {True: "image right", False: "image left"}[item.truth]
        box = (10, 10, 20, 20) if item.patient == "A" else asked.box_of("C", item.slice_index, item.a)
        told |= {"claims": [claim(side)], "boxes": [{"box": box}]}
    if item.kind == "side":
        told = {"claims": [claim({True: "image right", False: "image left"}[item.truth])]}
    if item.kind.startswith("relation"):
        words = asked.RELATIONS[item.kind.removeprefix("relation ")]
        negated = "" if item.truth else "not "
        told = {"claims": [claim(f"The {item.a} is {negated}{words} the {item.b}.")]}
    return {**row("", "", **told), "item": item.told()}


def test_the_report_of_perfect_answers_says_so(patient: Patient) -> None:
    rows = [answered(item) for item in asked.items(1)]
    text = tables.report_text(rows, 1)
    for line in (
        "| name → box, macro mIoU, with tools | 1.00 | 1.00–1.00 |",
        "| name → box, macro mIoU, without tools | 0.00 | 0.00–0.00 |",
        "| name → box, macro mIoU, location prior (A and B) | 1.00 | 1.00–1.00 |",
        "| presence, yes or no (half present) | 1.00 | 1.00–1.00 |",
        "| absent structure asked for: abstained | 1.00 | 1.00–1.00 |",
        "| which side (image left or right) | 1.00 | 1.00–1.00 |",
        "| left of / above | 1.00 | 1.00–1.00 |",
        "| aorta (small) | 2 | 1.00 | 1.00 | 0.00 | 1.00 |",
        "| 1 (middle) | 2 | 1.00 | 1.00 | 0.00 |",
    ):
        assert line in text
    assert "nan" not in text


def test_the_whole_image_scores_the_share_that_a_structure_fills(patient: Patient) -> None:
    x0, y0, x1, y1 = synthetic.ORGANS["liver"]
    share = (x1 - x0) * (y1 - y0) / (patient.hu.shape[1] * patient.hu.shape[2])
    assert scores.whole_iou(row("where", "liver")) == pytest.approx(share)


def test_an_answer_without_a_box_scores_nothing(patient: Patient) -> None:
    assert scores.box_iou(row("where", "liver")) == 0
    assert scores.box_iou(row("where", "liver", boxes=[{"box": synthetic.ORGANS["liver"]}])) == 1
