"""Laws of maps → regions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.tools.grounding.heatmap import KEEP, Kind, heat_regions, peak_score

KINDS: tuple[Kind, ...] = ("one", "union", "several")
blobs = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(3, 15), st.integers(3, 15))


def _with_blob(blob: tuple[int, int, int, int], level: float = 3.0) -> np.ndarray:
    x, y, w, h = blob
    logits = np.full((40, 44), -4.0, dtype=np.float32)
    logits[y : y + h, x : x + w] = level
    return logits


@settings(max_examples=30, deadline=None)
@given(blobs, st.sampled_from(KINDS))
def test_one_blob_gives_its_own_box(blob: tuple[int, int, int, int], kind: Kind) -> None:
    x, y, w, h = blob
    [found] = heat_regions(_with_blob(blob), kind)
    assert found.corners == (x, y, x + w, y + h)
    assert found.peak == pytest.approx(3.0)


@settings(max_examples=30, deadline=None)
@given(blobs, st.integers(0, 8), st.integers(0, 4))
def test_regions_move_with_the_map(blob: tuple[int, int, int, int], dx: int, dy: int) -> None:
    x0, y0, x1, y1 = heat_regions(_with_blob(blob), "one")[0].corners
    x, y, w, h = blob
    [moved] = heat_regions(_with_blob((x + dx, y + dy, w, h)), "one")
    assert moved.corners == (x0 + dx, y0 + dy, x1 + dx, y1 + dy)


@settings(max_examples=30, deadline=None)
@given(blobs)
def test_a_speck_does_not_stretch_the_box(blob: tuple[int, int, int, int]) -> None:
    logits = _with_blob(blob)
    logits[39, 43] = 3.0
    x, y, w, h = blob
    assert heat_regions(logits, "one")[0].corners == (x, y, x + w, y + h)


@pytest.mark.parametrize("kind", KINDS)
def test_two_parts_become_one_box_unless_several_are_asked(kind: Kind) -> None:
    logits = _with_blob((2, 3, 5, 5))
    logits[30:35, 30:36] = 3.0
    corners = [r.corners for r in heat_regions(logits, kind)]
    expected = [(2, 3, 36, 35)] if kind != "several" else [(30, 30, 36, 35), (2, 3, 7, 8)]
    assert corners == expected


def test_a_light_part_counts_for_a_union_only() -> None:
    logits = _with_blob((2, 2, 10, 10))
    logits[30:33, 30:34] = 3.0
    assert KEEP["union"] < 12 / 100 < KEEP["one"]
    assert heat_regions(logits, "union")[0].corners == (2, 2, 34, 33)
    assert heat_regions(logits, "one")[0].corners == (2, 2, 12, 12)


@settings(max_examples=30, deadline=None)
@given(st.floats(-9, -0.01))
def test_nothing_above_the_cut_gives_no_region(level: float) -> None:
    assert heat_regions(np.full((9, 7), level, dtype=np.float32), "one") == []


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30))
def test_peak_score_is_between_mean_and_maximum(pixels: int) -> None:
    logits = np.random.default_rng(pixels).normal(size=(5, 6))
    assert logits.mean() - 1e-9 <= peak_score(logits, pixels) <= logits.max() + 1e-9
