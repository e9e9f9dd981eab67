"""Where structures lie and how they lie to each other, against laws of space and against the masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foveate.evals.tasks.spatial import before, extents, in_plane_sides, larger, spot, stored, through_sides

from .bodies import body

NAMES = {1: "one", 2: "two", 3: "three"}
label_maps = arrays(np.uint8, (12, 17), elements=st.integers(0, 3))
Labels = npt.NDArray[Any]


@given(label_maps)
def test_boxes_hold_exactly_the_labels(labels: Labels) -> None:
    for extent in extents(labels, NAMES, min_area=1):
        x0, y0, x1, y1 = (int(value) for value in extent.box)
        inside = labels[y0:y1, x0:x1] == extent.label
        assert inside.sum() == extent.area == (labels == extent.label).sum()
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()


@given(label_maps)
def test_mirroring_turns_left_into_right_and_leaves_above_and_larger(labels: Labels) -> None:
    here = {e.label: e for e in extents(labels, NAMES, min_area=1)}
    there = {e.label: e for e in extents(labels[:, ::-1], NAMES, min_area=1)}
    for a in here:
        for b in here:
            assert before(there[a], there[b], 0) is before(here[b], here[a], 0)
            assert before(there[a], there[b], 1) is before(here[a], here[b], 1)
            assert larger(there[a], there[b]) is larger(here[a], here[b])


@given(label_maps, st.floats(0, 5))
def test_swapping_the_structures_swaps_the_answer(labels: Labels, gap: float) -> None:
    found = extents(labels, NAMES, min_area=1)
    for a in found:
        assert before(a, a, 0) is None and larger(a, a) is None
        for b in found:
            for axis in (0, 1):
                one, other = before(a, b, axis, gap), before(b, a, axis, gap)
                assert (one is None) == (other is None) and (one is None or one is not other)


@given(label_maps)
def test_order_along_an_axis_is_transitive(labels: Labels) -> None:
    found = extents(labels, NAMES, min_area=1)
    for a in found:
        for b in found:
            for c in found:
                if before(a, b, 1) and before(b, c, 1):
                    assert before(a, c, 1)


@given(label_maps)
def test_stored_extents_are_those_of_the_array_in_ras_order(labels: Labels) -> None:
    # the viewed slice runs to the Left and down to Posterior: RAS order reverses both and puts x first
    ras = labels[::-1, ::-1].T
    size = (labels.shape[1], labels.shape[0])
    direct = {e.label: e for e in extents(ras, NAMES, min_area=1)}
    for extent in extents(labels, NAMES, min_area=1):
        moved = stored(extent, size)
        assert moved.box == direct[extent.label].box
        assert moved.center == pytest.approx(direct[extent.label].center)


@given(label_maps)
def test_the_spot_lies_on_the_structure(labels: Labels) -> None:
    for extent in extents(labels, NAMES, min_area=1):
        x, y = spot(labels == extent.label)
        assert labels[y, x] == extent.label


def test_small_cross_sections_are_left_out() -> None:
    labels = np.zeros((20, 20), np.uint8)
    labels[:6, :6], labels[10:12, 10:12] = 1, 2
    assert [e.label for e in extents(labels, NAMES, min_area=5)] == [1]


def test_sides_of_the_axes() -> None:
    image = body().image
    assert in_plane_sides(image, "axial", 0) == ("R", "L")
    assert in_plane_sides(image, "axial", 1) == ("A", "P")
    assert in_plane_sides(image, "coronal", 1) == ("H", "F")
    assert in_plane_sides(image, "sagittal", 0) == ("A", "P")
    assert [through_sides(image, p) for p in ("axial", "coronal", "sagittal")] == [
        ("F", "H"), ("A", "P"), ("R", "L")
    ]  # fmt: skip
