"""SAM-Med2D: its authors' layout, their numbers, and its prompts in the pixels of a square of 256."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.registry import load_segmenter
from foveate.tools.grounding.segmenters.protocol import Prompt
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

from ..adapters.conftest import picture as picture
from ..adapters.conftest import views as views
from . import original

# What the authors' own code (OpenGVLab/SAM-Med2D at bfd2b93) gives for these weights and this picture: mask
# logits at row 10, column 20, estimates of the masks' quality, share of the picture in the best mask.
THEIRS = {
    (True, "box"): ([-0.03765, -0.01604, 0.04117], [-0.49963, 0.10124, -0.02856], 0.8606944),
    (True, "point"): ([-0.03684, -0.01578, 0.04151], [-0.50332, 0.10266, -0.02801], 0.8616667),
    (False, "box"): ([0.07216, -0.02158, 0.00087], [-0.82251, -0.32351, -0.17633], 0.1097222),
    (False, "point"): ([0.0722, -0.02157, 0.00088], [-0.82485, -0.32322, -0.17784], 0.1080556),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    folder = tmp_path_factory.mktemp("sam-med2d")
    return {adapter: original.save(folder / f"{adapter}.pth", adapter) for adapter in (True, False)}


@pytest.mark.parametrize("case", THEIRS)
def test_it_says_what_its_authors_code_says(case: tuple[bool, str], files: dict[bool, Path]) -> None:
    adapter, kind = case
    model: Any = load_segmenter(f"sam-med2d@{files[adapter]}").model  # type: ignore[attr-defined]
    heard: dict[str, Any] = {}
    hook = model.network.register_forward_hook(lambda *given: heard.update(out=given[-1]), with_kwargs=True)
    pixels = np.random.default_rng(0).integers(0, 255, (60, 120, 3)).astype(np.uint8)
    shown = Image.fromarray(pixels)
    with torch.inference_mode():
        mask, score = (
            model.of_box(shown, (30, 15, 90, 45)) if kind == "box" else model.of_point(shown, (60, 30))
        )
    hook.remove()
    logits, quality, share = THEIRS[case]
    assert heard["out"].pred_masks[0, 0, :, 10, 20].tolist() == pytest.approx(logits, abs=2e-5)
    assert heard["out"].iou_scores[0, 0].tolist() == pytest.approx(quality, abs=2e-5)
    assert mask.mean() == pytest.approx(share, abs=1e-3) and mask.shape == (60, 120)
    assert score == pytest.approx(max(0.0, *quality), abs=2e-5)


def test_prompts_are_in_pixels_of_its_square(
    files: dict[bool, Path], views: dict[str, View], picture: SourceImage
) -> None:
    """120 x 60 is stretched to 256 x 256; a turned or mirrored view gets the same mask, turned."""
    segmenter, view, heard = load_segmenter(f"sam-med2d@{files[True]}"), views["plain"], {}
    network = segmenter.model.network  # type: ignore[attr-defined]
    hook = network.register_forward_pre_hook(lambda _, args, kwargs: heard.update(kwargs), with_kwargs=True)
    box = view.frame.box(30, 15, 90, 45)
    mask = segmenter.segment(view, picture, Prompt(box=box))
    assert heard["input_boxes"].flatten().tolist() == pytest.approx([64, 64, 192, 192])
    assert heard["pixel_values"].shape == (1, 3, 256, 256)
    segmenter.segment(view, picture, Prompt(point=(60.0, 15.0)))
    assert heard["input_points"].flatten().tolist() == pytest.approx([128, 64])
    hook.remove()
    turned = segmenter.segment(
        views["turned"], picture, Prompt(box=views["turned"].frame.from_source(box.to_source()))
    )
    np.testing.assert_array_equal(np.rot90(turned.pixels, 1), mask.pixels)


def test_what_is_no_such_checkpoint(files: dict[bool, Path], tmp_path: Path) -> None:
    with pytest.raises(GrounderError, match=r"'sam-med2d' finds no file 'nothing\.pth'"):
        load_segmenter(f"sam-med2d@{tmp_path / 'nothing.pth'}")
    torch.save({"model": {"conv.weight": torch.zeros(1)}}, tmp_path / "other.pth")
    with pytest.raises(GrounderError, match=r"'other\.pth' is no checkpoint in SAM's own layout"):
        load_segmenter(f"sam-med2d@{tmp_path / 'other.pth'}")
    state = torch.load(files[False], weights_only=True)
    del state["mask_decoder.iou_token.weight"]
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(GrounderError, match=r"checkpoint 'less\.pth' cannot be loaded"):
        load_segmenter(f"sam-med2d@{tmp_path / 'less.pth'}")
    (tmp_path / "junk.pth").write_bytes(b"junk")
    with pytest.raises(GrounderError, match=r"checkpoint 'junk\.pth' cannot be loaded"):
        load_segmenter(f"sam-med2d@{tmp_path / 'junk.pth'}")
