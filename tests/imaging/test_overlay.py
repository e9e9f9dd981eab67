"""Overlays draw around what they point at, legibly, and change nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foveate.tools.imaging.frames import Affine2D, Box, Frame
from foveate.tools.imaging.overlay import blend_heatmap, draw_boxes


def frame(width: int, height: int) -> Frame:
    return Frame("v", width, height, Affine2D.identity(), "i", "image", 0, (width, height))


@given(st.integers(20, 300), st.integers(20, 300), st.floats(0, 0.8), st.floats(0, 0.8), st.floats(0.01, 0.2))
def test_the_inside_of_a_box_is_left_as_it_is(w: int, h: int, x: float, y: float, size: float) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (h, w, 3), dtype=np.uint8))
    box = frame(w, h).box(x * w, y * h, (x + size) * w, (y + size) * h)
    before, after = np.asarray(picture), np.asarray(draw_boxes(picture, [box]))
    # at the picture's edge the line has to come inside
    edge = 6 + max(w, h) // 160
    x0, y0 = max(round(box.x0), edge), max(round(box.y0), edge)
    x1, y1 = min(round(box.x1), w - edge), min(round(box.y1), h - edge)
    assert np.array_equal(before[y0:y1, x0:x1], after[y0:y1, x0:x1])
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("gray", [0, 128, 255])
@pytest.mark.parametrize("side", [224, 512, 1024])
def test_an_outline_is_seen_on_any_gray(gray: int, side: int) -> None:
    picture = Image.new("RGB", (side, side), (gray,) * 3)
    box = frame(side, side).box(side * 0.3, side * 0.3, side * 0.6, side * 0.6)
    shown = np.asarray(draw_boxes(picture, [box])).astype(int)
    changed = np.abs(shown - gray).max(axis=2)
    assert (changed > 90).sum() > side  # bright or dark, one of the two lines stands out


@pytest.mark.parametrize("side", [224, 1024])
def test_labels_lie_inside_the_picture_and_grow_with_it(side: int) -> None:
    picture = Image.new("RGB", (side, side))
    place = frame(side, side)
    corners = [place.box(0, 0, side / 5, side / 5), place.box(side * 0.8, side * 0.8, side, side)]
    bare = np.asarray(draw_boxes(picture, corners)).astype(int)
    shown = np.asarray(draw_boxes(picture, corners, ["E1 liver 0.93", "E2 " + "long " * 100])).astype(int)
    letters = (np.abs(shown - bare).max(axis=2) > 80).sum()
    assert letters > side  # letters of about that many bright pixels, also at 224


def test_two_labels_of_one_place_do_not_cover_each_other() -> None:
    picture = Image.new("RGB", (400, 400), (90, 90, 90))
    place = frame(400, 400)
    boxes = [place.box(150, 150, 250, 250), place.box(152, 152, 250, 250)]
    one = plates(np.asarray(draw_boxes(picture, boxes, ["first", ""])))
    two = plates(np.asarray(draw_boxes(picture, boxes, ["", "second"])))
    both = plates(np.asarray(draw_boxes(picture, boxes, ["first", "second"])))
    assert both > 0.9 * (one + two)


def plates(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> int:
    """Pixels as dark as a label's ground, above and below the boxes."""
    dark = picture.max(axis=2) < 40
    return int(dark[:140].sum() + dark[260:].sum())


def test_what_does_not_fit_is_an_error() -> None:
    picture = Image.new("RGB", (50, 50))
    box = frame(60, 50).box(0, 0, 10, 10)
    with pytest.raises(ValueError, match="does not fit"):
        draw_boxes(picture, [box])
    with pytest.raises(ValueError, match="labels"):
        draw_boxes(picture, [Box(0, 0, 1, 1, frame(50, 50))], ["a", "b"])


def test_a_heat_map_colours_where_it_is_hot_only() -> None:
    picture = Image.new("RGB", (40, 30), (100, 100, 100))
    heat = np.zeros((30, 40), np.float32)
    heat[5:15, 20:30] = 1
    shown = np.asarray(blend_heatmap(picture, heat)).astype(int)
    assert (shown[20:, :10] == 100).all() and np.abs(shown[10, 25] - 100).max() > 60
    assert blend_heatmap(picture, np.zeros((3, 4))).size == (40, 30)


@pytest.mark.parametrize(
    "wrong", [np.full((3, 3), 2.0), np.full((3, 3), -0.1), np.full((3, 3), np.nan), np.ones(3)]
)
def test_a_heat_map_out_of_range_is_an_error(
    wrong: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> None:
    with pytest.raises(ValueError, match="heat map"):
        blend_heatmap(Image.new("RGB", (3, 3)), wrong)
