"""Laws of box arithmetic, of proposals scored by a map and of merged maps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foveate.tools.grounding.boxes import corners_of, suppressed
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.fusion import overlap
from foveate.tools.grounding.proposals import heat_scores, heat_sums, merged, similarity

HEATS = hnp.arrays(
    np.float32, st.tuples(st.integers(8, 24), st.integers(8, 24)), elements=st.floats(0, 1, width=32)
)


@st.composite
def boxed(draw: st.DrawFn, whole: bool = False) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    heat = draw(HEATS)
    rows, cols = heat.shape
    number = st.integers if whole else st.floats
    x = sorted(draw(st.lists(number(0, cols - 1), min_size=2, max_size=2)))  # type: ignore[operator]
    y = sorted(draw(st.lists(number(0, rows - 1), min_size=2, max_size=2)))  # type: ignore[operator]
    return heat, (x[0], y[0], x[1] + 1, y[1] + 1)


@given(boxed(whole=True))
def test_the_integral_image_sums_what_is_in_the_box(
    case: tuple[np.ndarray, tuple[int, int, int, int]],
) -> None:
    heat, (x0, y0, x1, y1) = case
    assert heat_sums(heat, [(x0, y0, x1, y1)])[0] == pytest.approx(
        float(heat[y0:y1, x0:x1].sum(dtype=float)), abs=1e-6
    )


@given(boxed(), st.floats(0.01, 10))
def test_sums_add_up_and_scores_scale(
    case: tuple[np.ndarray, tuple[float, float, float, float]], w: float
) -> None:
    heat, (x0, y0, x1, y1) = case
    middle = (x0 + x1) / 2
    whole, left, right = heat_sums(heat, [(x0, y0, x1, y1), (x0, y0, middle, y1), (middle, y0, x1, y1)])
    assert left + right == pytest.approx(whole, abs=1e-6) and whole >= -1e-9
    one, scaled = heat_scores(heat, [(x0, y0, x1, y1)] * 2, [1.0, w])
    assert scaled == pytest.approx(w * one) and one == pytest.approx(whole / ((x1 - x0) * (y1 - y0)) ** 0.5)


@given(HEATS)
def test_a_merge_stays_in_range_and_agrees_with_itself(heat: np.ndarray) -> None:
    low, high = float(heat.min()), float(heat.max())
    same = (heat - low) / (high - low) if high - low > 1e-6 else np.zeros_like(heat)
    for how in ("product", "mean", "bbm"):
        out = merged(heat, heat[::-1], how)  # type: ignore[arg-type]
        assert out.dtype == np.float32 and out.shape == heat.shape and 0 <= out.min() <= out.max() <= 1
    if high - low < 1e-6:
        return
    assert similarity(same, same) == pytest.approx(1.0)
    np.testing.assert_allclose(merged(heat, heat, "bbm"), same, atol=1e-5)
    np.testing.assert_array_equal(merged(heat, heat[::-1], "mean"), merged(heat[::-1], heat, "mean"))


def test_bbm_by_hand() -> None:
    """Two maps that have nothing in common (s = 0) give the second: (1−s)²·A."""
    first, second = np.zeros((8, 8)), np.zeros((8, 8))
    first[0, 0], second[7, 7] = 1.0, 1.0
    s = similarity(first, second)
    out = s * (1 - s) * (first + second + first * second) + (1 - s) ** 2 * second + s**2 * first
    np.testing.assert_allclose(merged(first, second, "bbm"), out / out.max(), atol=1e-6)


@given(HEATS, HEATS, st.floats(0.1, 0.9))
def test_similarity_is_of_scaled_maps(first: np.ndarray, second: np.ndarray, level: float) -> None:
    """What a merge weighs by: a fainter map of the same shape is as similar."""
    rows, cols = (min(a, b) for a, b in zip(first.shape, second.shape, strict=True))
    one, other = first[:rows, :cols].astype(np.float64), second[:rows, :cols].astype(np.float64)
    if min(np.ptp(one), np.ptp(other)) > 1e-3:
        assert similarity(one * level, other) == pytest.approx(similarity(one, other), abs=1e-3)


def test_maps_too_small_to_compare() -> None:
    with pytest.raises(GrounderError, match="too small"):
        similarity(np.zeros((2, 9)), np.zeros((2, 9)))


BOXES = st.lists(st.tuples(*[st.floats(0, 50)] * 2, *[st.floats(1, 50)] * 2), min_size=1, max_size=8)


@given(BOXES, st.data(), st.floats(0, 0.9))
def test_what_remains_overlaps_little_and_the_rest_much(
    boxes: list[tuple[float, ...]], data: st.DataObject, iou: float
) -> None:
    array = np.array([(x, y, x + w, y + h) for x, y, w, h in boxes])
    scores = data.draw(st.lists(st.floats(0, 1), min_size=len(boxes), max_size=len(boxes)))
    kept = suppressed(array, scores, iou)
    assert all(scores[a] >= scores[b] for a, b in pairwise(kept)) and scores[kept[0]] == max(scores)
    for n, i in enumerate(kept):
        assert n == 0 or overlap(array[kept[:n]], array[i]).max() <= iou
    for i in set(range(len(boxes))) - set(kept):
        better = [k for k in kept if scores[k] >= scores[i]]
        assert overlap(array[better], array[i]).max() > iou


@given(st.tuples(*[st.floats(0.1, 0.9)] * 4), st.integers(1, 500), st.integers(1, 500))
def test_corners_and_back(box: tuple[float, ...], width: int, height: int) -> None:
    [(x0, y0, x1, y1)] = corners_of([box], width, height)
    back = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height)
    assert back == pytest.approx(box)
