"""Patch-wise similarity of any CLIP-like model: "clip@MODEL".

CLIP (arXiv 2103.00020) and SigLIP (2303.15343) checkpoints, general or medical. Each patch token of the last
layer is projected as the picture's own token is, and compared with the phrase by cosine. Such maps are coarse
and only rank places.
"""

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
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.grounding.similarity import field_of, map_grounder

CARD = Card(
    line="similarity of patches and phrase in a CLIP or SigLIP model; a relative map: where, not whether",
    licence="MIT (CLIP), Apache-2.0 (SigLIP); of others see the model card",
    size="0.15 to 0.9 B",
    boxes="patches of the centre square (CLIP) or of the whole picture (SigLIP)",
    usual=("openai/clip-vit-base-patch16", "google/siglip-base-patch16-224"),
)
CLASSES = ("CLIPModel", "SiglipModel")


def load(recipe: str, model: str) -> Grounder:
    """A checkpoint. Raises GrounderError."""
    read_options("clip", recipe)
    checkpoint = load_checkpoint("clip", CARD, model, ["clip", "siglip"], CLASSES, "AutoProcessor")
    return map_grounder(f"clip@{checkpoint.name}", PatchMaps(checkpoint))


@dataclass(frozen=True)
class PatchMaps:
    """Cosine of every patch with the phrase."""

    checkpoint: Checkpoint
    fixed_scale: float | None = None

    def maps(self, picture: Image, phrases: Sequence[str]) -> npt.NDArray[Any]:
        model, siglip = self.checkpoint.model, self.checkpoint.model.config.model_type == "siglip"
        self.checkpoint.check_length(phrases, model.config.text_config.max_position_embeddings)
        # SigLIP was taught on phrases padded to the full length, and its attention sees the padding
        padding = "max_length" if siglip else True
        inputs = self.checkpoint.inputs(images=picture, text=list(phrases), padding=padding)
        out = model(**inputs)
        patches = out.vision_model_output.last_hidden_state[0]
        if not siglip:  # the first token is the picture's own
            patches = model.visual_projection(model.vision_model.post_layernorm(patches[1:]))
        cosine = out.text_embeds @ (patches / patches.norm(dim=-1, keepdim=True)).T
        size, patch = inputs["pixel_values"].shape[-2:], model.config.vision_config.patch_size
        shape = (len(phrases), size[0] // patch, size[1] // patch)
        return np.asarray(cosine.reshape(shape).float().cpu())

    def field(self, width: int, height: int) -> Corners:
        reader = getattr(self.checkpoint.processor, "image_processor", self.checkpoint.processor)
        return field_of(reader, width, height)
