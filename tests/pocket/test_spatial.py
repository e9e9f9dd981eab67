"""The spatial questions and their scoring, without patients: the rules alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.pocket.semsam_tables import mcnemar, report_text
from foveate.pocket.spatial import RELATIONS, holds, is_right

OPPOSITE = {"left_of": "right_of", "right_of": "left_of", "above": "below", "below": "above"}
boxes = st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(1, 30)] * 2).map(
    lambda t: (t[0], t[1], t[0] + t[2], t[1] + t[3])
)


@given(boxes, boxes, st.sampled_from(sorted(RELATIONS)))
def test_a_relation_turns_with_its_ends(a: tuple[int, ...], b: tuple[int, ...], kind: str) -> None:
    there, back = holds(kind, a, b), holds(kind, b, a)
    assert (there is None) == (back is None)
    assert there is None or there is not back
    if kind in OPPOSITE:
        assert holds(OPPOSITE[kind], b, a) is there


def item(kind: str, truth: bool) -> dict[str, Any]:
    return {"kind": kind, "truth": truth, "slice_index": 1, "tools": True}


@pytest.mark.parametrize(
    ("kind", "truth", "answer", "right"),
    [
        ("left_of", True, "Yes. The liver (E1) is left of the spleen (E2).", True),
        ("left_of", False, "Yes. The liver (E1) is left of the spleen (E2).", False),
        ("left_of", False, "No. The liver (E1) is not left of the spleen (E2).", True),
        ("left_of", True, "The liver is right of the spleen.", False),
        ("larger", True, "Yes. The liver (E1) is larger than the spleen (E2).", True),
        ("above", True, "I cannot compare: no liver is visible on this slice.", False),
        ("above", True, "It is above the liver and it is not above the liver.", False),
        ("side", True, "The liver is on the image right (E1).", True),
        ("side", True, "The liver is on the image left, not the image right.", False),
        ("side", False, "The liver is on the image left (E1).", True),
    ],
)
def test_scoring(kind: str, truth: bool, answer: str, right: bool) -> None:
    assert is_right(item(kind, truth), answer, []) is right


def test_claims_of_absence_are_not_read() -> None:
    claims = [{"text": "The liver is left of the spleen.", "present": False}]
    assert not is_right(item("left_of", True), "See the claims.", claims)


def row(ordinary: bool, other: bool | None, place: int) -> dict[str, Any]:
    counts = {"steps": 10, "deferred": 6, "single": 3, "changed": 1, "same_word": 1, "antonym_flips": 0}
    seen = {**counts, "changed_to": [{"from": "left", "to": " left", "count": 1}]}
    arm = None if other is None else {"answer": "b", "right": other}
    return {
        "key": str(place),
        "item": {**item("left_of", True), "slice_index": place},
        "ordinary": {"answer": "a", "right": ordinary},
        "arms": {"semsam": arm},
        "diagnostics": {"semsam": seen},
        "checked": {"arm": "semsam", "same": True} if place == 0 else None,
    }


def test_the_report_pairs_the_arms() -> None:
    rows = [row(True, None, 0), row(False, True, 1), row(False, True, 2), row(True, False, 3)]
    assert mcnemar(rows, "semsam") == (2, 1, 1.0)
    text = report_text(rows, {"semsam": ""}, "abc", 9)
    assert "4 of 9" in text and "| semsam | 0.750 |" in text and "+0.250" in text and "2 / 1" in text
    assert "1 of 1 checked" in text and "60.0%" in text and "3 of 4" in text
    assert "`'left'` → `' left'` (4)" in text
    assert "Nothing was asked" in report_text([], {}, "abc", 0)
