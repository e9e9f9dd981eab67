"""Laws of the geometry: what is true of a box stands, its opposite falls, what cannot be known is left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from foveate.tools.checks.geometry import verify
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import overview

SIDE = 200


def ct(spacing: tuple[float, float, float] | None = (5.0, 1.5, 1.5), known: bool = True) -> SourceImage:
    pixels = np.zeros((2, SIDE, SIDE), np.int16)
    return SourceImage(pixels, spacing, convention="radiological", volume=known, patient_side_known=known)


CT, BARE = ct(), ct(None, known=False)
corners = st.tuples(st.floats(0, 150), st.floats(0, 150), st.floats(10, 49), st.floats(10, 49)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


def at(box: tuple[float, float, float, float], label: str = "", image: SourceImage = CT) -> Evidence:
    view = overview(image, SIDE)
    return seen_at(
        view.frame.from_source(view.frame.source.box(*box)), view, image, label=label, tool="ground"
    )


def holds(text: str, *evidence: Evidence, image: SourceImage = CT) -> list[bool | None]:
    return [verdict.holds for verdict in verify(text, evidence, lambda name: image)]


@given(corners)
def test_the_true_side_stands_and_the_other_falls(box: tuple[float, float, float, float]) -> None:
    off = (box[0] + box[2]) / 2 / SIDE - 0.5
    assume(abs(off) > 0.06)
    shown, patient = ("left", "right") if off < 0 else ("right", "left")
    for text in (
        f"It is on the image {shown}.",
        f"It lies on the patient's {patient}.",
        f"On the {patient}.",
    ):
        assert holds(text, at(box)) == [True]
    for text in (f"It is on the image {patient}.", f"It lies on the patient's {shown}.", f"On the {shown}."):
        assert holds(text, at(box)) == [False]
    assert holds(f"It is not on the {shown} of the image.", at(box)) == [False]


@given(corners)
def test_a_named_structure_falls_only_when_wholly_on_the_other_side(
    box: tuple[float, float, float, float],
) -> None:
    [left] = holds("The left kidney is visible.", at(box))
    wholly_right = box[2] <= SIDE / 2 and (box[0] + box[2]) / 2 < SIDE * 0.45
    assert left is not wholly_right
    assert holds("The left kidney is visible.", at(box, image=BARE), image=BARE) == [None]


def test_sides_of_the_patient_are_unknown_without_orientation() -> None:
    assert holds("It is on the patient's left.", at((10, 10, 40, 40), image=BARE), image=BARE) == [None]
    assert holds("It is on the image left.", at((10, 10, 40, 40), image=BARE), image=BARE) == [True]


@given(corners, st.sampled_from((0.4, 0.6, 1.6, 2.5)))
def test_the_measured_size_stands_and_a_wrong_one_falls(
    box: tuple[float, float, float, float], wrong: float
) -> None:
    w, h = (box[2] - box[0]) * 1.5, (box[3] - box[1]) * 1.5
    for text in (f"It measures {w:.1f} x {h:.1f} mm.", f"It is {w / 10:.1f} cm wide.", f"{h:.0f} mm high."):
        assert holds(text, at(box)) == [True]
    assert holds(f"It measures {w * wrong:.1f} x {h * wrong:.1f} mm.", at(box)) == [False]
    assert holds(f"It is {w * wrong:.1f} mm wide.", at(box)) == [False]


def test_of_three_lengths_two_are_in_the_slice() -> None:
    box = at((10, 10, 30, 50))  # 30 x 60 mm
    for text in ("It measures 30 x 45 x 60 mm.", "It measures 6.0 x 3.0 x 4.5 cm."):
        assert holds(text, box) == [True]
    assert holds("It measures 30 x 45 x 80 mm.", box) == [False]


def test_millimetres_need_spacing_and_volumes_a_tool() -> None:
    box = (10.0, 10.0, 40.0, 40.0)
    [verdict] = verify("It measures 30 mm.", [at(box, image=BARE)], lambda name: BARE)
    assert verdict.holds is False and "spacing" in verdict.reason
    [verdict] = verify("It holds 3 ml.", [at(box)], lambda name: CT)
    assert verdict.holds is False and "no tool" in verdict.reason


@given(corners, corners)
def test_one_of_two_opposite_relations_falls(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> None:
    a, b = at(one, "spleen"), at(other, "liver")
    for word, opposite in (("left of", "right of"), ("above", "below"), ("larger than", "smaller than")):
        [first] = holds(f"The spleen is {word} the liver.", a, b)
        [second] = holds(f"The spleen is {opposite} the liver.", b, a)
        [denied] = holds(f"The spleen is not {word} the liver.", a, b)
        assert not (first and second) and first is not denied


def test_a_relation_needs_both_regions_cited() -> None:
    [verdict] = verify("The spleen is left of the liver.", [at((10, 10, 40, 40))], lambda name: CT)
    assert verdict.holds is False and "both" in verdict.reason


@pytest.mark.parametrize(("count", "stands"), [("two", True), ("three", False)])
def test_counts_are_those_of_the_regions(count: str, stands: bool) -> None:
    found = [at((10, 10, 40, 40), "lung nodule"), at((110, 10, 140, 40), "lung nodule")]
    assert holds(f"There are {count} nodules.", *found) == [stands]


def test_nothing_is_refuted_that_says_nothing_of_space() -> None:
    assert holds("The spleen is homogeneous.", at((10, 10, 40, 40))) == []
