"""SAM (arXiv 2304.02643), and MedSAM (2304.12306), which is of SAM's class: "sam@MODEL".

SAM-Med2D adds adapter layers that this class does not have; `sam_med2d.py` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL.Image import Image

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.checkpoint import Checkpoint, load_checkpoint
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.picture import Corners
from foveate.tools.grounding.segmenters.picture import Masked, PictureSegmenter, Prompted
from foveate.tools.grounding.segmenters.protocol import Segmenter

CARD = Card(
    line="SAM and MedSAM: a box or a point to a mask",
    licence="Apache-2.0",
    size="0.09 to 0.64 B",
    boxes="pixels of the picture resized to a longest side of 1024, padded right and below",
    usual=("facebook/sam-vit-base", "wanglab/medsam-vit-base"),
    kind="segmenter",
)


def load(recipe: str, model: str) -> Segmenter:
    """A checkpoint. Raises GrounderError."""
    read_options("sam", recipe)
    checkpoint = load_checkpoint("sam", CARD, model, ["sam"], ["SamModel"], "SamProcessor")
    return PictureSegmenter(f"sam@{checkpoint.name}", Sam(checkpoint), frozenset({"box", "point"}))


@dataclass(frozen=True)
class Sam(Prompted):
    """One mask for a box; for a point, which may mean a part or the whole, the best of three."""

    checkpoint: Checkpoint

    def of_box(self, picture: Image, corners: Corners) -> Masked:
        return self._mask(picture, many=False, input_boxes=[[list(corners)]])

    def of_point(self, picture: Image, point: tuple[float, float]) -> Masked:
        return self._mask(picture, many=True, input_points=[[[list(point)]]], input_labels=[[[1]]])

    def _mask(self, picture: Image, many: bool, **prompt: Any) -> Masked:
        inputs = self.checkpoint.inputs(images=picture, **prompt)
        sizes = inputs.pop("original_sizes"), inputs.pop("reshaped_input_sizes")
        inputs = {key: value.float() if value.is_floating_point() else value for key, value in inputs.items()}
        out = self.checkpoint.model(**inputs, multimask_output=many)
        reader = self.checkpoint.processor.image_processor
        masks = reader.post_process_masks(out.pred_masks.cpu(), sizes[0].cpu(), sizes[1].cpu())[0][0]
        scores = out.iou_scores[0, 0].cpu()
        best = int(scores.argmax())
        return np.asarray(masks[best], dtype=np.bool_), float(scores[best].clamp(0, 1))
