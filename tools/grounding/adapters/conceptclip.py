"""ConceptCLIP (arXiv 2501.15579): "conceptclip:code=trusted@FOLDER", any medical modality.

Its region-concept alignment compares each patch token with the mean of a concept's word-piece tokens by
cosine. Such maps only rank places. The model class is code in the checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.Image import Image

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.own_code import OwnCode, load_own_code
from foveate.tools.grounding.picture import Corners
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.grounding.similarity import field_of, map_grounder

CARD = Card(
    line="ConceptCLIP: similarity of patches and concept; a relative map; runs its own code",
    licence="MIT (asks for agreement on the hub)",
    size="0.54 B",
    boxes="patches of the whole picture resized to a square of 384, aspect not kept",
    usual=("JerrryNie/ConceptCLIP",),
    example=":code=trusted@FOLDER",
)
LENGTH = 77


def load(recipe: str, model: str) -> Grounder:
    """A checkpoint. Raises GrounderError."""
    told = read_options("conceptclip", recipe, code="")
    loaded = load_own_code("conceptclip", model, told["code"])
    return map_grounder(f"conceptclip@{loaded.name}", ConceptClip(loaded))


@dataclass(frozen=True)
class ConceptClip:
    """`model(pixels, ids)` gives `image_token_features` (1, patches, d) and `text_token_features`
    (phrases, tokens, d), the first token of which is [CLS]."""

    loaded: OwnCode
    fixed_scale: float | None = None

    def maps(self, picture: Image, phrases: Sequence[str]) -> npt.NDArray[Any]:
        import torch
        from torch.nn.functional import normalize

        pixels = self.loaded.images(images=picture, return_tensors="pt")["pixel_values"]
        ids = self.loaded.tokenizer(
            list(phrases), padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
        )["input_ids"]
        out = self.loaded.model(pixels.to(self.loaded.device), ids.to(self.loaded.device))
        counts = [min(LENGTH - 2, len(self.loaded.tokenizer.tokenize(phrase))) for phrase in phrases]
        words = zip(out["text_token_features"], counts, strict=True)
        concepts = torch.stack([tokens[1 : 1 + count].mean(0) for tokens, count in words])
        cosine = normalize(concepts, dim=-1) @ normalize(out["image_token_features"][0], dim=-1).T
        side = math.isqrt(cosine.shape[-1])
        return np.asarray(cosine.reshape(len(phrases), side, side).float().cpu())

    def field(self, width: int, height: int) -> Corners:
        return field_of(self.loaded.images, width, height)
