"""Laws of images with their content taken away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.altered import blank, masked, mirrored, moved, noise
from foveate.evals.contract.questions import Question, Region
from foveate.tools.imaging.image import SourceImage

QUESTION = Question("q1", (), "?", "boxes", "c")


@st.composite
def images(draw: st.DrawFn) -> SourceImage:
    kind = draw(st.sampled_from(["gray", "ct", "color"]))
    slices, rows, cols = draw(st.integers(1, 3)), draw(st.integers(6, 20)), draw(st.integers(6, 20))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    if kind == "ct":
        pixels = rng.integers(-1000, 1000, (slices, rows, cols)).astype(np.int16)
        return SourceImage(pixels, (2.0, 1.0, 1.0), np.eye(4), volume=True, native_plane="axial")
    shape = (1, rows, cols, 3) if kind == "color" else (1, rows, cols)
    return SourceImage(rng.integers(0, 255, shape).astype(np.uint8))


@given(images())
def test_shape_kind_and_window_stay(image: SourceImage) -> None:
    for change in (blank, noise, mirrored):
        made = change(image, QUESTION, 0)
        assert made.pixels.shape == image.pixels.shape and made.pixels.dtype == image.pixels.dtype
        assert made.default_window == image.default_window and made.planes == image.planes


@given(images())
def test_each_takes_away_what_it_says(image: SourceImage) -> None:
    assert len(np.unique(blank(image, QUESTION, 0).pixels)) == 1
    for index in range(image.n_slices):
        shuffled = noise(image, QUESTION, 0).pixels[index]
        assert np.array_equal(np.sort(shuffled, axis=None), np.sort(image.pixels[index], axis=None))
    twice = mirrored(mirrored(image, QUESTION, 0), QUESTION, 0)
    assert twice.id == image.id
    assert np.array_equal(mirrored(image, QUESTION, 0).pixels[:, :, 0], image.pixels[:, :, -1])


@given(images(), st.data())
def test_masking_changes_the_boxes_and_nothing_else(image: SourceImage, data: st.DataObject) -> None:
    plane = data.draw(st.sampled_from(image.planes))
    width, height = image.plane_size(plane)
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = (float(x0), float(y0), float(data.draw(st.integers(x0 + 1, width))), float(y0 + 1))
    index = data.draw(st.integers(0, image.slice_count(plane) - 1))
    region = Region(box, slice_index=index, plane=plane)
    made = masked(image, [region, replace(region, image=1)], 0)
    inside = np.zeros((height, width), bool)
    inside[y0 : y0 + 1, x0 : int(box[2])] = True
    for other in range(image.slice_count(plane)):
        same = np.asarray(made.plane_pixels(plane, other) == image.plane_pixels(plane, other))
        same = same.all(axis=-1) if image.color else same
        assert same[~inside].all() if other == index else same.all()
    assert len(np.unique(made.plane_pixels(plane, index)[inside], axis=0)) == 1


@given(images(), st.data())
def test_control_boxes_keep_their_size_and_lie_on_the_image(image: SourceImage, data: st.DataObject) -> None:
    width, height = image.plane_size(image.planes[0])
    x0, y0 = data.draw(st.floats(0, width - 1.5)), data.draw(st.floats(0, height - 1.5))
    region = Region((x0, y0, x0 + 1.5, y0 + 1.5))
    [made] = moved(image, [region, replace(region, image=1)], 0, QUESTION)
    assert made == moved(image, [region], 0, QUESTION)[0]
    left, top, right, bottom = made.box
    assert (right - left, bottom - top) == (pytest.approx(1.5), pytest.approx(1.5))
    assert left >= 0 and top >= 0 and right <= width + 1e-9 and bottom <= height + 1e-9
