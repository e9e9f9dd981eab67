"""RadZero (arXiv 2504.07416): "radzero:code=trusted[,threshold=0.5]@FOLDER", for chest radiographs.

Its cosine of patch and sentence over its temperature, through a sigmoid, is a probability on one scale for
all pictures and phrases: it can say that something is absent. The model class is code in the checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.Image import Image

from foveate import prompts
from foveate.tools.grounding.card import Card
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.own_code import OwnCode, load_own_code
from foveate.tools.grounding.picture import Corners
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.grounding.similarity import field_of, map_grounder

CARD = Card(
    line="RadZero: similarity of chest radiograph patches and sentence, on a fixed scale; runs its own code",
    licence="CC-BY-NC-4.0 (code); weights: see the model card",
    size="0.21 B",
    boxes="patches of the picture as its processor crops it",
    usual=("Deepnoid/RadZero",),
    example=":code=trusted[,threshold=0.5]@FOLDER",
)


def load(recipe: str, model: str) -> Grounder:
    """A checkpoint and the probability from which a phrase is present. Raises GrounderError."""
    told = read_options("radzero", recipe, threshold=0.5, code="")
    loaded = load_own_code("radzero", model, told["code"])
    return map_grounder(f"radzero@{loaded.name}", RadZero(loaded, told["threshold"]))


@dataclass(frozen=True)
class RadZero:
    """`compute_logits(pixel_values, [encoded sentences])` gives `similarity_scores` (1, phrases, patches)."""

    loaded: OwnCode
    fixed_scale: float

    def maps(self, picture: Image, phrases: Sequence[str]) -> npt.NDArray[Any]:
        told: str = prompts.table("ground_native.toml")["radzero"]
        sentences = [told.format(phrase=phrase) for phrase in phrases]
        pixels = self.loaded.images(images=picture, return_tensors="pt")["pixel_values"]
        encoded = self.loaded.tokenizer(sentences, padding=True, truncation=True, return_tensors="pt")
        out = self.loaded.model.compute_logits(
            pixels.to(self.loaded.device), [encoded.to(self.loaded.device)]
        )
        values = out["similarity_scores"][0].sigmoid().float().cpu()
        side = math.isqrt(values.shape[-1])
        return np.asarray(values.reshape(len(phrases), side, side))

    def field(self, width: int, height: int) -> Corners:
        return field_of(self.loaded.images, width, height)
