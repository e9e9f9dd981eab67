"""Segmenters: where their prompts go, where their masks come back, and boxes tightened round masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.registry import load_segmenter
from foveate.tools.grounding.segmenters.picture import Masked, PictureSegmenter, Prompted
from foveate.tools.grounding.segmenters.protocol import Mask, Prompt
from foveate.tools.grounding.segmenters.tighten import tighten
from foveate.tools.imaging.frames import BoxError
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View, overview

from ..adapters.conftest import picture as picture
from ..adapters.conftest import views as views
from ..adapters.tiny import save_clipseg, save_sam, save_sam2

Views = dict[str, View]
# what pixel (30, 15) to (90, 45) of a 120 x 60 picture is to a model of side 64
SIDES = {"sam": (64 / 120, 64 / 120), "sam2": (64 / 120, 64 / 60)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("segmenters")
    made = {"sam": save_sam, "sam2": save_sam2, "clipseg": save_clipseg}
    return {name: save(root / name) for name, save in made.items()}


def watch(segmenter: Any, heard: dict[str, Any]) -> None:
    """Keeps what the real model is given and gives."""

    def before(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        heard.update(kwargs)

    def after(module: Any, args: Any, kwargs: Any, out: Any) -> None:
        heard["out"] = out

    model = segmenter.model.checkpoint.model
    model.register_forward_pre_hook(before, with_kwargs=True)
    model.register_forward_hook(after, with_kwargs=True)


@pytest.mark.parametrize("name", ["sam", "sam2"])
def test_prompts_go_to_the_models_own_pixels_and_masks_come_back(
    name: str, folders: dict[str, Path], views: Views, picture: SourceImage
) -> None:
    segmenter, heard, view = load_segmenter(f"{name}@{folders[name]}"), {}, views["plain"]
    watch(segmenter, heard)
    mask = segmenter.segment(view, picture, Prompt(box=view.frame.box(30, 15, 90, 45)))
    sx, sy = SIDES[name]
    expected = [30 * sx, 15 * sy, 90 * sx, 45 * sy]
    assert heard["input_boxes"].flatten().tolist() == pytest.approx(expected, abs=1e-3)
    assert heard["pixel_values"].shape[-2:] == (64, 64)
    low = heard["out"].pred_masks.flatten(0, 2)[:1, None]
    if name == "sam":  # padded below: the picture is the upper 32 of 64 rows
        full = F.interpolate(low, (64, 64), mode="bilinear", align_corners=False)[..., :32, :64]
    else:
        full = low
    expected_mask = F.interpolate(full, (60, 120), mode="bilinear", align_corners=False)[0, 0] > 0
    np.testing.assert_array_equal(mask.pixels, expected_mask.numpy())
    assert 0 <= mask.score <= 1 and mask.view == view
    segmenter.segment(view, picture, Prompt(point=(60.0, 30.0)))
    assert heard["input_points"].flatten().tolist() == pytest.approx([60 * sx, 30 * sy], abs=1e-3)
    assert heard["input_labels"].flatten().tolist() == [1]


@pytest.mark.parametrize("name", ["sam", "sam2"])
@pytest.mark.parametrize("key", ["turned", "mirrored"])
def test_masks_turn_with_the_view(
    name: str, key: str, folders: dict[str, Path], views: Views, picture: SourceImage
) -> None:
    segmenter = load_segmenter(f"{name}@{folders[name]}")
    plain, other = views["plain"], views[key]
    box = plain.frame.box(20, 10, 70, 50)
    moved = other.frame.from_source(box.to_source())
    a = segmenter.segment(plain, picture, Prompt(box=box)).pixels
    b = segmenter.segment(other, picture, Prompt(box=moved)).pixels
    np.testing.assert_array_equal(np.rot90(b, 1) if key == "turned" else b[:, ::-1], a)
    x, y = moved.center
    a = segmenter.segment(plain, picture, Prompt(point=box.center)).pixels
    b = segmenter.segment(other, picture, Prompt(point=(x, y))).pixels
    np.testing.assert_array_equal(np.rot90(b, 1) if key == "turned" else b[:, ::-1], a)


def test_sam2_reads_the_video_checkpoints(tmp_path: Path, views: Views, picture: SourceImage) -> None:
    segmenter, view = load_segmenter(f"sam2@{save_sam2(tmp_path / 'video', video=True)}"), views["plain"]
    mask = segmenter.segment(view, picture, Prompt(box=view.frame.box(30, 15, 90, 45)))
    assert mask.pixels.shape == (60, 120) and 0 <= mask.score <= 1


def test_clipseg_takes_text_alone(folders: dict[str, Path], views: Views, picture: SourceImage) -> None:
    segmenter, view = load_segmenter(f"clipseg:threshold=0@{folders['clipseg']}"), views["plain"]
    mask = segmenter.segment(view, picture, Prompt(text="lung"))
    assert mask.pixels.shape == (60, 120) and mask.pixels.all() and mask.box() == view.frame.whole()
    with pytest.raises(GrounderError, match="takes: text; not a box"):
        segmenter.segment(view, picture, Prompt(box=view.frame.whole()))
    made = tighten(segmenter, view, picture, view.frame.box(10, 10, 30, 40), "lung")
    assert made.box.as_tuple() == (10, 10, 30, 40) and not made.kept


def test_what_cannot_be_segmented(folders: dict[str, Path], views: Views, picture: SourceImage) -> None:
    segmenter, view = load_segmenter(f"sam@{folders['sam']}"), views["plain"]
    with pytest.raises(GrounderError, match="takes: box, point; not a text"):
        segmenter.segment(view, picture, Prompt(text="lung"))
    with pytest.raises(BoxError, match="outside the image"):
        segmenter.segment(view, picture, Prompt(point=(130.0, 10.0)))
    with pytest.raises(ValueError, match="one of them"):
        Prompt(box=view.frame.whole(), text="lung")
    with pytest.raises(
        GrounderError, match="There is no segmenter 'sat'; there are: sam, sam2, sam-med2d, clipseg"
    ):
        load_segmenter("sat")
    with pytest.raises(GrounderError, match="'clipseg' holds a clipseg model; 'sam' reads these: sam"):
        load_segmenter(f"sam@{folders['clipseg']}")


class Bright(Prompted):
    """A segmenter's seam with a rule for a model: the bright pixels of the box."""

    def of_box(self, picture: Any, corners: tuple[float, float, float, float]) -> Masked:
        x0, y0, x1, y1 = (round(edge) for edge in corners)
        pixels = np.asarray(picture.convert("L")) > 128
        inside = np.zeros_like(pixels)
        inside[y0:y1, x0:x1] = pixels[y0:y1, x0:x1]
        return inside, 1.0


BRIGHT = PictureSegmenter("bright", Bright(), frozenset({"box"}))


@given(st.tuples(*[st.integers(0, 30)] * 2), st.tuples(*[st.integers(1, 12)] * 2))
def test_tightening_finds_a_bright_rectangle(corner: tuple[int, int], size: tuple[int, int]) -> None:
    (x, y), (w, h) = corner, size
    pixels = np.zeros((1, 50, 64), np.uint8)
    pixels[0, y : y + h, x : x + w] = 255
    image = SourceImage(pixels)
    view = overview(image, 64)
    loose = view.frame.box(max(0, x - 1), max(0, y - 1), x + w + 1, y + h + 1)
    made = tighten(BRIGHT, view, image, loose, least=0.05)
    assert made.box.as_tuple() == (x, y, x + w, y + h) and not made.kept
    tight = tighten(BRIGHT, view, image, made.box)
    assert tight.box == made.box


def test_a_mask_of_something_else_leaves_the_box(picture: SourceImage) -> None:
    pixels = np.zeros((1, 50, 64), np.uint8)
    pixels[0, 10, 10] = 255
    image = SourceImage(pixels)
    view = overview(image, 64)
    large, empty = view.frame.box(5, 5, 40, 40), view.frame.box(20, 20, 40, 40)
    made = tighten(BRIGHT, view, image, large)
    assert made.box == large and made.kept == "the mask's box overlaps by 0.00 only"
    assert tighten(BRIGHT, view, image, empty).kept == "the mask is empty"


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 29)), min_size=1, max_size=5))
def test_a_masks_box_holds_it_and_touches_it(places: list[tuple[int, int]]) -> None:
    image = SourceImage(np.zeros((1, 20, 30), np.uint8))
    view = overview(image, 30)
    pixels = np.zeros((20, 30), dtype=bool)
    pixels[tuple(zip(*places, strict=True))] = True
    box = Mask(pixels, view, 1.0).box()
    assert box is not None
    x0, y0, x1, y1 = (int(edge) for edge in box.as_tuple())
    assert pixels[y0:y1, x0:x1].sum() == pixels.sum()
    inside = pixels[y0:y1, x0:x1]
    assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
    assert Mask(np.zeros((20, 30), dtype=bool), view, 0.0).box() is None


def test_no_gradients_are_kept(folders: dict[str, Path], views: Views, picture: SourceImage) -> None:
    segmenter, heard = load_segmenter(f"sam@{folders['sam']}"), {}
    watch(segmenter, heard)
    segmenter.segment(views["plain"], picture, Prompt(point=(5.0, 5.0)))
    assert isinstance(heard["out"].pred_masks, torch.Tensor) and not heard["out"].pred_masks.requires_grad
