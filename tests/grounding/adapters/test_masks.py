"""Text-prompted segmenters as grounders, and the seam by which another package brings one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from foveate.tools.grounding import registry
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.registry import load_grounder, load_segmenter, segmenter_cards
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

from .conftest import views_of
from .tiny import save_clipseg, save_sam

Views = dict[str, View]
ROOT = Path(registry.__file__).resolve().parents[2]


def test_the_masks_of_clipseg(tmp_path: Path, views: Views, picture: SourceImage) -> None:
    folder = save_clipseg(tmp_path / "clipseg")
    for view in views.values():
        [everywhere] = load_grounder(f"masks(clipseg:threshold=0@{folder})").ground(view, picture, ["lung"])
        assert everywhere.regions[0].box == view.frame.whole() and everywhere.absent is False
        assert everywhere.regions[0].score == everywhere.best_score and everywhere.forward_passes == 1
    [nowhere] = load_grounder(f"masks(clipseg:threshold=1@{folder})").ground(view, picture, ["lung"])
    assert nowhere.regions == () and nowhere.absent is True and nowhere.best_score == 0.0


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("masks(sam@{})", "'masks' needs a segmenter that takes text; 'sam@sam' takes: box, point"),
        ("masks(clipseg@a+clipseg@b)", "is made of one segmenter, not of 2"),
        ("masks(nothing)", "There is no segmenter 'nothing'"),
        ("masks", r"is made of others; write masks\["),
    ],
)
def test_what_it_is_not_made_of(spec: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(GrounderError, match=told):
        load_grounder(spec.format(save_sam(tmp_path / "sam")))


class Named(nn.Module):
    """A text-prompted model as BiomedParse is: picture and words to a map of probability."""

    def __init__(self) -> None:
        super().__init__()
        self.bright = nn.Conv2d(3, 1, 1)
        with torch.no_grad():
            self.bright.weight.fill_(1 / 3)
            self.bright.bias.fill_(-0.5)

    def forward(self, picture: Any, words: str) -> torch.Tensor:
        pixels = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255).permute(2, 0, 1)[None]
        logits: torch.Tensor = self.bright(pixels)[0, 0]
        return (logits if words == "bone" else -1 + 0 * logits).sigmoid()


def documented() -> str:
    """The file that docs/grounders.md shows."""
    part = (
        (ROOT / "docs/grounders.md").read_text().split("<!-- segmenter:")[1].split("<!-- /segmenter -->")[0]
    )
    [file] = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    return str(file)


@pytest.fixture
def other_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The documented module, installed: an entry point of the group "foveate.segmenters"."""
    module, package = ModuleType("their_segmenter"), ModuleType("their_package")
    package.__spec__ = ModuleSpec("their_package", None)
    package.build_model = lambda model: Named()  # type: ignore[attr-defined]
    exec(compile(documented(), "docs:segmenter.py", "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, "their_segmenter", module)
    monkeypatch.setitem(sys.modules, "their_package", package)
    point = EntryPoint("theirs", "their_segmenter", "foveate.segmenters")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == point.group else [])
    registry._entry_points.cache_clear()
    yield
    registry._entry_points.cache_clear()


@pytest.mark.parametrize("key", ["plain", "turned", "mirrored"])
def test_a_segmenter_of_another_package(key: str, other_package: None) -> None:
    pixels = np.zeros((1, 60, 96), np.uint8)
    pixels[0, 15:25, 30:50] = 255
    pixels[0, 30:34, 60:64] = 255
    image = SourceImage(pixels)
    assert segmenter_cards()["theirs"].missing() == ()
    assert load_segmenter("theirs@m").takes == {"text"}
    bone, skin = load_grounder("masks(theirs@m)").ground(views_of(image)[key], image, ["bone", "skin"])
    boxes = [region.box.to_source().as_tuple() for region in bone.regions]
    assert boxes[0] == pytest.approx((30, 15, 50, 25), abs=0.5)
    assert boxes[1] == pytest.approx((60, 30, 64, 34), abs=0.5)
    assert skin.absent is True and skin.regions == ()
