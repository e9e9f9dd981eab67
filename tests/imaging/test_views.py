"""Views against two oracles: a ramp whose intensities are its coordinates, and plain array operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.tools.imaging.frames import Box
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.montage import at_slice
from foveate.tools.imaging.views import (
    MAX_VIEW_SIDE,
    View,
    ViewError,
    crop,
    flip_rotate,
    overview,
    render,
    rewindow,
    zoom,
)
from foveate.tools.imaging.windows import PRESETS, Window

WIDTH, HEIGHT, SLICES = 60, 45, 4


def ramp(axis: int) -> SourceImage:
    """A volume whose intensity at a pixel's centre is its x (axis 0) or y (axis 1) in edge coordinates."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32) + 0.5
    pixels = np.repeat((x if axis == 0 else y)[None], SLICES, axis=0)
    return SourceImage(pixels=pixels, default_window=Window(32, 64), volume=True, spacing_mm=(2, 1, 1))


RAMPS = (ramp(0), ramp(1))
FLAT = SourceImage(pixels=np.zeros((SLICES, HEIGHT, WIDTH), np.int16), volume=True, spacing_mm=(2, 1.5, 1))


@dataclass(frozen=True)
class Step:
    """One operation with the box it takes as fractions of the view."""

    name: str
    box: tuple[float, float, float, float]
    number: int

    def apply(self, view: View, image: SourceImage) -> View:
        box = part(view, self.box)
        if self.name == "crop":
            return crop(view, box, margin=self.number / 20)
        if self.name == "zoom":
            return zoom(view, box, target_side=20 + 15 * self.number)
        if self.name == "resize":
            return zoom(view, view.frame.whole(), factor=(self.number + 1) / 6)
        if self.name == "magnify":
            return zoom(view, None, factor=1 + self.number / 3)
        if self.name == "flip_rotate":
            return flip_rotate(view, self.number, self.box[0] < 0.3)
        return at_slice(view, image, self.number % SLICES)


def part(view: View, box: tuple[float, float, float, float]) -> Box:
    x, y, w, h = box
    return view.frame.box(x * view.width, y * view.height, (x + w) * view.width, (y + h) * view.height)


fractions = st.tuples(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0.2, 0.5), st.floats(0.2, 0.5))
names = st.sampled_from(["crop", "zoom", "resize", "magnify", "flip_rotate", "slice"])
chains = st.lists(st.builds(Step, names, fractions, st.integers(0, 7)), max_size=6)


def walk(image: SourceImage, chain: list[Step], max_side: int = 64) -> View:
    view = overview(image, max_side)
    for step in chain:
        view = step.apply(view, image)
    return view


@given(chains, fractions)
def test_any_chain_maps_a_box_to_the_source_and_back(
    chain: list[Step], box: tuple[float, float, float, float]
) -> None:
    view = walk(FLAT, chain)
    seen = part(view, box)
    source = view.frame.to_source(seen)
    assert 0 <= source.x0 < source.x1 <= WIDTH and 0 <= source.y0 < source.y1 <= HEIGHT
    assert view.frame.from_source(source).as_list() == pytest.approx(seen.as_list(), abs=1e-6)


@settings(max_examples=60)
@given(chains)
def test_any_chain_shows_the_pixels_that_its_frame_says_within_half_a_source_pixel(chain: list[Step]) -> None:
    for axis, image in enumerate(RAMPS):
        view = walk(image, chain)
        shown = np.asarray(render(view, image))[..., 0].astype(float) * 64 / 255
        x, y = np.meshgrid(np.arange(view.width) + 0.5, np.arange(view.height) + 0.5)
        frame = view.frame.affine
        at = frame.a * x + frame.b * y + frame.c, frame.d * x + frame.e * y + frame.f
        x0, y0, x1, y1 = view.region
        wide, high = view.upright_size
        # near the picture's edge the filter sees one side only; so look further in than it reaches
        reach = 3 * max(1, (x1 - x0) / wide, (y1 - y0) / high) + 1
        inner = (np.minimum(*at) > reach) & (at[0] < WIDTH - reach) & (at[1] < HEIGHT - reach)
        assert not inner.any() or float(np.abs(shown - at[axis])[inner].max()) <= 0.5


@given(st.integers(0, 9), st.booleans(), st.integers(0, 9), st.booleans())
def test_turns_and_flips_are_those_of_arrays(q: int, f: bool, q2: int, f2: bool) -> None:
    image = picture()
    view = overview(image, 64)
    turned = flip_rotate(flip_rotate(view, q, f), q2, f2)
    expected = pixels_of(view, image)
    for turns, flip in ((q, f), (q2, f2)):
        expected = np.rot90(expected[:, ::-1] if flip else expected, -turns)
    assert np.array_equal(pixels_of(turned, image), expected)


def picture() -> SourceImage:
    rng = np.random.default_rng(5)
    return SourceImage(pixels=rng.integers(0, 256, (1, 20, 31), dtype=np.uint8))


def pixels_of(view: View, image: SourceImage) -> np.ndarray[Any, Any]:
    return np.asarray(render(view, image))[..., 0]


@given(fractions, fractions)
def test_a_crop_of_a_crop_is_the_crop_of_its_source_box(
    first: tuple[float, float, float, float], second: tuple[float, float, float, float]
) -> None:
    view = overview(FLAT, 200)
    inner = crop(view, part(view, first))
    twice = crop(inner, part(inner, second))
    once = crop(view, view.frame.from_source(twice.frame.whole().to_source()))
    assert twice.region == pytest.approx(once.region, abs=1e-6)


@given(chains)
def test_ids_follow_the_content_and_json_round_trips(chain: list[Step]) -> None:
    view, again = walk(FLAT, chain), walk(FLAT, chain)
    assert view.id == again.id and view == again
    read = View.model_validate_json(view.model_dump_json())
    assert read == view and read.id == view.id and read.frame == view.frame


def test_the_same_picture_has_one_id_and_another_window_another() -> None:
    view = overview(FLAT, 100)
    assert flip_rotate(flip_rotate(view, 1), 3).id == view.id
    assert rewindow(view, PRESETS["bone"]).id != view.id
    assert at_slice(view, FLAT, 0).id != view.id


def test_a_whole_number_crop_at_full_size_is_the_array_itself() -> None:
    image = picture()
    view = overview(image, 64)
    part_of = crop(view, view.frame.box(3, 4, 20, 15))
    assert np.array_equal(pixels_of(part_of, image), image.pixels[0, 4:15, 3:20])


def test_a_zoom_reads_the_source_and_not_the_shrunk_view() -> None:
    stripes = np.zeros((1, 512, 512), np.uint8)
    stripes[:, :, ::2] = 255
    image = SourceImage(pixels=stripes)
    small = overview(image, 64)
    assert np.ptp(pixels_of(small, image)[8:-8, 8:-8]) < 8  # antialiased away
    close = zoom(small, small.frame.box(10, 10, 14, 14), target_side=256)
    assert np.ptp(pixels_of(close, image)) > 200


def test_millimetres_are_shown_square() -> None:
    image = SourceImage(pixels=np.zeros((40, 100, 100), np.int16), volume=True, spacing_mm=(2.5, 0.5, 0.5))
    view = overview(image, 100, plane="coronal")
    assert (view.width, view.height) == (50, 100)
    assert view.frame.whole().to_source().as_list() == [0, 0, 100, 40]


@pytest.mark.parametrize(("max_side", "upscale", "size"), [(40, False, (40, 30)), (120, True, (120, 90))])
def test_an_overview_keeps_the_aspect(max_side: int, upscale: bool, size: tuple[int, int]) -> None:
    view = overview(RAMPS[0], max_side, upscale=upscale)
    assert (view.width, view.height) == size
    assert overview(RAMPS[0], 9999).width == WIDTH


def test_a_margin_stays_inside_the_source() -> None:
    view = overview(RAMPS[0], 999)
    near = crop(view, view.frame.box(0, 0, 20, 20), margin=0.5)
    assert near.region == (0, 0, 30, 30) and (near.width, near.height) == (30, 30)


def test_zoom_sizes() -> None:
    view = overview(RAMPS[0], 60)
    box = view.frame.box(10, 10, 50, 30)
    assert (zoom(view, box).width, zoom(view, box).height) == (60, 30)
    assert (zoom(view, box, factor=3).width, zoom(view, box, factor=3).height) == (120, 60)
    assert zoom(view, box, target_side=80).width == 80
    assert zoom(view, None, factor=2).region == (15, 11.25, 45, 33.75)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda view: zoom(view, None),
        lambda view: zoom(view, None, factor=0.5),
        lambda view: zoom(view, view.frame.whole(), factor=0),
        lambda view: zoom(view, view.frame.whole(), factor=-2),
        lambda view: zoom(view, view.frame.whole(), factor=float("nan")),
        lambda view: zoom(view, view.frame.whole(), factor=2, target_side=100),
        lambda view: zoom(view, view.frame.whole(), target_side=MAX_VIEW_SIDE + 1),
        lambda view: zoom(view, view.frame.whole(), target_side=0),
        lambda view: zoom(view, view.frame.whole(), target_side=-5),
        lambda view: crop(view, view.frame.whole(), margin=-1),
        lambda view: crop(view, view.frame.whole(), margin=float("nan")),
        lambda view: overview(RAMPS[0], 0),
        lambda view: zoom(view, None, factor=1e5),
        lambda view: at_slice(view, FLAT, 0),
    ],
)
def test_a_view_that_cannot_be_is_an_error(wrong: Any) -> None:
    with pytest.raises(ViewError):
        wrong(overview(RAMPS[0], 60))


def test_slices_and_planes_that_are_not_there_are_errors() -> None:
    with pytest.raises(IndexError, match="slices 0 to 3"):
        overview(FLAT, 100, slice_index=4)
    with pytest.raises(IndexError):
        at_slice(overview(FLAT, 100), FLAT, -1)
    with pytest.raises(ValueError, match="no plane"):
        overview(picture(), 100, plane="axial")


def test_colour_has_no_window() -> None:
    image = SourceImage(pixels=np.full((1, 8, 8, 3), (255, 0, 10), np.uint8))
    view = overview(image, 8)
    assert np.asarray(render(view, image))[0, 0].tolist() == [255, 0, 10]
    with pytest.raises(ViewError, match="colour"):
        rewindow(view, PRESETS["bone"])
    with pytest.raises(ViewError, match="colour"):
        overview(image, 8, window=PRESETS["bone"])


def test_a_view_of_another_image_is_not_rendered() -> None:
    with pytest.raises(ValueError, match="another image"):
        render(overview(FLAT, 50), RAMPS[0])
