"""What is read of a claim: sides, sizes, relations, and the opposite of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.tools.checks.said import Relation, Side, read_claim, turned
from foveate.tools.checks.subjects import subjects


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("The aorta is on the image right, patient left.", [("right", "image"), ("left", "patient")]),
        ("The aorta lies on the left of the image.", [("left", "image")]),
        ("A mass in the upper left of the picture", [("left", "image"), ("top", "image")]),
        ("The heart lies on the left.", [("left", "patient")]),
        ("A left-sided effusion is present.", [("left", "patient")]),
        ("The left kidney is visible.", [("left", "anatomy")]),
        ("The spleen is left of the liver.", []),
    ],
)
def test_sides_are_read_with_their_terms(text: str, sides: list[tuple[str, str]]) -> None:
    assert [(s.side, s.terms) for s in read_claim(text).sides] == sides


def test_a_denied_side_is_denied() -> None:
    [side] = read_claim("The stomach is not on the left side of the patient").sides
    assert side == Side("left", "patient", negated=True)


@pytest.mark.parametrize(
    ("text", "numbers", "unit", "kind", "bound"),
    [
        ("It measures 14.4 x 16.0 mm.", (14.4, 16.0), "mm", "length", ""),
        ("about 1.5 cm wide", (15.0,), "mm", "width", ""),
        ("12 mm high", (12.0,), "mm", "height", ""),
        ("larger than 3 cm", (30.0,), "mm", "length", "above"),
        ("10-15 mm nodule", (10.0, 15.0), "mm", "length", "range"),
        ("an area of 4.2 cm2", (420.0,), "mm", "area", ""),
        ("20 by 30 pixels", (20.0, 30.0), "pixels", "length", ""),
        ("3 ml of fluid", (3.0,), "mm", "foreign", ""),
        ("5 mm from the pleura", (5.0,), "mm", "foreign", ""),
    ],
)
def test_sizes_are_read_in_millimetres(
    text: str, numbers: tuple[float, ...], unit: str, kind: str, bound: str
) -> None:
    [size] = read_claim(text).sizes
    assert size.numbers == pytest.approx(numbers)
    assert (size.unit, size.kind, size.bound) == (unit, kind, bound)


def test_relations_are_read_with_what_they_relate() -> None:
    [relation] = read_claim("The spleen is not left of the liver.").relations
    assert relation == Relation("left of", "the spleen is ", " the liver.", negated=True)
    assert [r.word for r in read_claim("The liver is larger than the spleen.").relations] == ["larger"]
    assert read_claim("There are two nodules.").count == (2, "nodules")


@pytest.mark.parametrize(
    ("text", "opposite"),
    [
        ("The left kidney is on the image right.", "The left kidney is on the image left."),
        ("The spleen is left of the liver.", "The spleen is right of the liver."),
        ("The aorta is above the vertebra.", "The aorta is below the vertebra."),
        ("The spleen is lower than the liver.", "The spleen is higher than the liver."),
        ("The liver is higher in the image than it.", "The liver is lower in the image than it."),
        ("The left kidney is visible.", None),
        ("The liver is seen.", None),
    ],
)
def test_the_opposite_turns_the_statement_and_not_the_name(text: str, opposite: str | None) -> None:
    assert turned(text) == opposite


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("The left kidney is visible.", ("left kidney",)),
        ("No left kidney is visible.", ("left kidney",)),
        ("E1 shows the spleen.", ("spleen",)),
        ("The spleen is left of the liver (E2).", ("spleen", "liver")),
        ("There are two nodules in the upper left of the image.", ("nodules",)),
        ("A left-sided pleural effusion is present.", ("left pleural effusion",)),
        ("It measures 3 mm.", ()),
    ],
)
def test_subjects_are_the_things_named(text: str, things: tuple[str, ...]) -> None:
    assert subjects(text) == things


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    said = read_claim(text)
    assert all(size.numbers for size in said.sizes) and all(subjects(text)) and turned(text) != text
