"""CLIPSeg: a phrase to a mask, "clipseg@MODEL". Lüddecke and Ecker, arXiv 2112.10003."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.Image import Image

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.checkpoint import Checkpoint, load_checkpoint
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.picture import Corners
from foveate.tools.grounding.segmenters.picture import Masked, PictureSegmenter, Prompted
from foveate.tools.grounding.segmenters.protocol import Segmenter
from foveate.tools.grounding.similarity import spread

CARD = Card(
    line="CLIPSeg: a phrase to a mask, or to boxes of its parts",
    licence="Apache-2.0",
    size="0.15 B",
    boxes="pixels of the picture resized to a square of 352, aspect not kept",
    usual=("CIDAS/clipseg-rd64-refined",),
    kind="segmenter",
)
MODEL = "CLIPSegForImageSegmentation"


def load(recipe: str, model: str) -> Segmenter:
    """A checkpoint and the probability from which a pixel counts. Raises GrounderError."""
    told = read_options("clipseg", recipe, threshold=0.5)
    checkpoint = load_model(model)
    return PictureSegmenter(
        f"clipseg@{checkpoint.name}", ClipSeg(checkpoint, told["threshold"]), frozenset({"text"})
    )


def load_model(model: str) -> Checkpoint:
    """The checkpoint. Raises GrounderError."""
    return load_checkpoint("clipseg", CARD, model, ["clipseg"], [MODEL], "AutoProcessor")


@dataclass(frozen=True)
class ClipSeg(Prompted):
    """Masks, and the same as maps of probability. `fixed_scale` is the threshold: the sigmoid was trained on
    pictures with and without the thing."""

    checkpoint: Checkpoint
    fixed_scale: float

    def maps(self, picture: Image, phrases: Sequence[str]) -> npt.NDArray[Any]:
        self.checkpoint.check_length(
            phrases, self.checkpoint.model.config.text_config.max_position_embeddings
        )
        inputs = self.checkpoint.inputs(images=[picture] * len(phrases), text=list(phrases), padding=True)
        logits = self.checkpoint.model(**inputs).logits
        return np.asarray(logits.reshape(len(phrases), *logits.shape[-2:]).sigmoid().float().cpu())

    def field(self, width: int, height: int) -> Corners:
        return 0.0, 0.0, float(width), float(height)

    def of_text(self, picture: Image, phrase: str) -> Masked:
        heat = spread(self.maps(picture, [phrase])[0], self.field(*picture.size), *picture.size)
        pixels = heat >= self.fixed_scale
        return pixels, float(heat[pixels].mean()) if pixels.any() else float(heat.max())
