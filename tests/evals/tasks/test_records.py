"""Values of records: what is missing, of another kind, not finite or off the image is said with its place."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.tasks.records import DataFault, Place, Record, letter, unit_box, xywh, xyxy

PLACE = Place("set/file.csv", 7)
NUMBER = st.floats(allow_nan=True, allow_infinity=True, width=32)
SIZE = (100, 80)


def record(**values: Any) -> Record:
    return Record(PLACE, values)


@given(st.tuples(NUMBER, NUMBER, NUMBER, NUMBER))
def test_a_box_is_on_the_image_or_an_error_with_its_line(box: tuple[float, float, float, float]) -> None:
    try:
        x0, y0, x1, y1 = xyxy(PLACE, box, SIZE)
    except DataFault as fault:
        assert str(fault).startswith("set/file.csv, line 7: the box (")
        return
    assert 0 <= x0 < x1 <= SIZE[0] and 0 <= y0 < y1 <= SIZE[1]
    assert all(abs(kept - given) <= 1 for kept, given in zip((x0, y0, x1, y1), box, strict=True))


@given(st.tuples(*[st.floats(1, 40)] * 4))
def test_both_forms_of_a_box_agree(box: tuple[float, float, float, float]) -> None:
    x, y, width, height = box
    assert xywh(PLACE, box, SIZE) == xyxy(PLACE, (x, y, x + width, y + height), SIZE)
    shares = (x / 100, y / 80, (x + width) / 100, (y + height) / 80)
    assert unit_box(PLACE, shares, SIZE) == pytest.approx(xywh(PLACE, box, SIZE))


@pytest.mark.parametrize(
    ("box", "complaint"),
    [
        ((math.nan, 0, 1, 1), "not finite"),
        ((5, 5, 5, 9), "is empty"),
        ((9, 5, 5, 9), "is empty"),
        ((0, 0, 102, 9), "off the image; expected a box within 0 to 100 and 0 to 80"),
        ((-2, 0, 10, 9), "off the image"),
    ],
)
def test_faults_of_boxes(box: tuple[float, float, float, float], complaint: str) -> None:
    with pytest.raises(DataFault, match=complaint):
        xyxy(PLACE, box, SIZE)


def test_rounding_over_the_edge_is_cut_to_it() -> None:
    assert xyxy(PLACE, (-0.5, 0, 100.9, 80), SIZE) == (0, 0, 100, 80)


def test_shares_are_shares() -> None:
    with pytest.raises(DataFault, match="outside 0 to 1"):
        unit_box(PLACE, (0.1, 0.1, 1.2, 0.5), SIZE)


@pytest.mark.parametrize("value", [None, "", "  ", "nan", "NaN", "abc", [1], {}, True, "inf", math.nan])
def test_what_is_no_number_is_said_without_quoting_it(value: object) -> None:
    with pytest.raises(
        DataFault, match=r"set/file\.csv, line 7: 'x' is .*; expected a (finite )?number"
    ) as caught:
        record(x=value).number("x")
    assert "abc" not in str(caught.value)


def test_values() -> None:
    kept = record(a=" 12 ", b=3, c="CLOSED ", d=[1, 2.5], e="x", w="10", h=0)
    assert (
        kept.integer("a") == 12 and kept.text("b") == "3" and kept.choice("c", ("open", "closed")) == "closed"
    )
    assert kept.numbers("d", 2) == [1.0, 2.5]
    for fails in (
        lambda: kept.numbers("d", 4), lambda: kept.choice("e", ("y",)), lambda: kept.text("missing"),
        lambda: kept.items("e"), lambda: record(a=1.5).integer("a"), lambda: kept.size("w", "h"),
    ):  # fmt: skip
        with pytest.raises(DataFault, match="line 7"):
            fails()


@pytest.mark.parametrize(("told", "kept"), [("B", "B"), ("(b)", "B"), ("b.", "B"), (" B: ", "B")])
def test_letters(told: str, kept: str) -> None:
    assert letter(PLACE, told, ("one", "two")) == kept


@pytest.mark.parametrize("told", ["C", "two", "", "AB"])
def test_letters_that_are_none(told: str) -> None:
    with pytest.raises(DataFault, match="no letter of an option"):
        letter(PLACE, told, ("one", "two"))
