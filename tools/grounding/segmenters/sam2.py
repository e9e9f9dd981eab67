"""SAM 2 (arXiv 2408.00714) on single pictures, and fine-tunes such as MedSAM2 in its class: "sam2@MODEL".

transformers' own processor for SAM 2 needs torchvision; what it does to a picture is little and done here:
both sides to the model's size, and ImageNet's mean and standard deviation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL.Image import Image, Resampling

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.checkpoint import Checkpoint, load_checkpoint
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.picture import Corners
from foveate.tools.grounding.segmenters.picture import Masked, PictureSegmenter, Prompted
from foveate.tools.grounding.segmenters.protocol import Segmenter

CARD = Card(
    line="SAM 2 on single pictures, and fine-tunes in its class: a box or a point to a mask",
    licence="Apache-2.0",
    size="0.04 to 0.22 B",
    boxes="pixels of the picture resized to a square of 1024, aspect not kept",
    usual=("facebook/sam2.1-hiera-tiny", "facebook/sam2.1-hiera-large"),
    kind="segmenter",
)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load(recipe: str, model: str) -> Segmenter:
    """A checkpoint. Raises GrounderError."""
    read_options("sam2", recipe)
    checkpoint = load_checkpoint("sam2", CARD, model, ["sam2", "sam2_video"], ["Sam2Model"], "")
    return PictureSegmenter(f"sam2@{checkpoint.name}", Sam2(checkpoint), frozenset({"box", "point"}))


@dataclass(frozen=True)
class Sam2(Prompted):
    """One mask for a box; for a point, which may mean a part or the whole, the best of three."""

    checkpoint: Checkpoint

    def of_box(self, picture: Image, corners: Corners) -> Masked:
        x, y = self._scale(picture)
        x0, y0, x1, y1 = corners
        return self._mask(picture, many=False, input_boxes=[[[x0 * x, y0 * y, x1 * x, y1 * y]]])

    def of_point(self, picture: Image, point: tuple[float, float]) -> Masked:
        x, y = self._scale(picture)
        return self._mask(
            picture, many=True, input_points=[[[[point[0] * x, point[1] * y]]]], input_labels=[[[1]]]
        )

    def _side(self) -> int:
        return int(self.checkpoint.model.config.prompt_encoder_config.image_size)

    def _scale(self, picture: Image) -> tuple[float, float]:
        return self._side() / picture.width, self._side() / picture.height

    def _mask(self, picture: Image, many: bool, **prompt: Any) -> Masked:
        import torch
        from torch.nn import functional as F

        square = picture.resize((self._side(), self._side()), Resampling.BILINEAR)
        pixels = (np.asarray(square, dtype=np.float32) / 255 - MEAN) / STD
        inputs = {key: torch.tensor(value, device=self.checkpoint.device) for key, value in prompt.items()}
        image = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None].to(self.checkpoint.device)
        out = self.checkpoint.model(pixel_values=image, **inputs, multimask_output=many)
        scores = out.iou_scores[0, 0].cpu()
        best = int(scores.argmax())
        low = out.pred_masks[0, 0, best].float().cpu()[None, None]
        mask = (
            F.interpolate(low, (picture.height, picture.width), mode="bilinear", align_corners=False)[0, 0]
            > 0
        )
        return mask.numpy(), float(scores[best].clamp(0, 1))
