"""SAM-Med2D (arXiv 2308.16184): a box or a point to a mask, "sam-med2d@FILE.pth".

The released file is a state dict in SAM's original layout, for pictures of 256 pixels, with an adapter layer
in every block of the image encoder. transformers' SamModel with those layers added reads it; every size is
taken from the weights. FT-SAM has none, and is read as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.picture import Corners
from foveate.tools.grounding.segmenters.picture import Masked, PictureSegmenter, Prompted
from foveate.tools.grounding.segmenters.protocol import Segmenter

CARD = Card(
    line="SAM-Med2D: a box or a point to a mask; SAM with adapter layers, taught on medical pictures",
    licence="Apache-2.0",
    size="0.27 B",
    boxes="pixels of the picture resized to a square of 256, aspect not kept",
    kind="segmenter",
    example="@FILE.pth",
)
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def load(recipe: str, model: str) -> Segmenter:
    """The model of a file of weights. Raises GrounderError."""
    read_options("sam-med2d", recipe)
    if not Path(model).is_file():
        raise GrounderError(f"'sam-med2d' finds no file {Path(model).name!r}; write sam-med2d@FILE.pth.")
    from foveate.tools.grounding.segmenters.original_sam import read_original

    network = read_original(Path(model))
    return PictureSegmenter(f"sam-med2d@{Path(model).stem}", SamMed2d(network), frozenset({"box", "point"}))


@dataclass(frozen=True)
class SamMed2d(Prompted):
    """The best of three masks by the model's own estimate, as its authors' predictor chooses."""

    network: Any

    def of_box(self, picture: Image, corners: Corners) -> Masked:
        x, y = self._scale(picture)
        scaled = [edge * by for edge, by in zip(corners, (x, y, x, y), strict=True)]
        return self._mask(picture, input_boxes=[[scaled]])

    def of_point(self, picture: Image, point: tuple[float, float]) -> Masked:
        x, y = self._scale(picture)
        return self._mask(picture, input_points=[[[[point[0] * x, point[1] * y]]]], input_labels=[[[1]]])

    def _scale(self, picture: Image) -> tuple[float, float]:
        side = self.network.config.vision_config.image_size
        return side / picture.width, side / picture.height

    def _mask(self, picture: Image, **prompt: Any) -> Masked:
        import torch
        from torch.nn import functional as F

        side, device = self.network.config.vision_config.image_size, self.network.device
        # the nearest pixel as its authors' library takes it: at the corner, not at the middle
        rows, cols = (np.arange(side) * n // side for n in picture.size[::-1])
        pixels = (np.asarray(picture, dtype=np.float32)[rows][:, cols] - MEAN) / STD
        image = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None].to(device)
        given = {key: torch.tensor(value, device=device) for key, value in prompt.items()}
        out = self.network(pixel_values=image, **given, multimask_output=True)
        score, best = (each.item() for each in out.iou_scores[0, 0].max(0))
        mask = out.pred_masks[:, 0, best : best + 1].cpu()
        for size in ((side, side), (picture.height, picture.width)):
            mask = F.interpolate(mask, size, mode="bilinear", align_corners=False)
        return np.asarray(mask[0, 0] > 0), min(1.0, max(0.0, score))
