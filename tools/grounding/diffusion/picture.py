"""Grey pictures → the square that a denoiser takes, and maps of that square back to the picture.

Knows arrays only. A picture and its map have the same (height, width); pixel-edge coordinates throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from foveate.tools.grounding.errors import GrounderError

Fit = Literal["crop", "letterbox"]


@dataclass(frozen=True)
class Square:
    """How a picture of (height, width) lies in a square of `side`.

    "crop": the shorter side fills the square and what is left over is cut off on both sides (2404.12920,
    2507.12236). "letterbox": the longer side fills it and black is added on both sides.
    """

    height: int
    width: int
    side: int
    fit: Fit

    @property
    def inner(self) -> tuple[int, int]:
        """(rows, columns) of the resized picture, before cutting or padding."""
        edge = min(self.height, self.width) if self.fit == "crop" else max(self.height, self.width)
        return tuple(max(1, round(n * self.side / edge)) for n in (self.height, self.width))  # type: ignore[return-value]

    def put(self, grey: Tensor) -> Tensor:
        """(height, width) in [0, 1] → (1, 1, side, side)."""
        shown = F.interpolate(
            grey[None, None], self.inner, mode="bilinear", antialias=True, align_corners=False
        )
        top, left = self._offsets()
        if self.fit == "crop":
            return shown[:, :, top : top + self.side, left : left + self.side]
        rows, cols = self.inner
        return F.pad(shown, (left, self.side - cols - left, top, self.side - rows - top))

    def back(self, heat: Tensor) -> Tensor:
        """Map (any, any) of the square → (height, width); 0 where the picture was cut off."""
        if self.fit == "crop":
            return self._back_crop(heat)
        (rows, cols), (top, left) = self.inner, self._offsets()
        full = F.interpolate(heat[None, None], (self.side, self.side), mode="bilinear", align_corners=False)
        part = full[:, :, top : top + rows, left : left + cols]
        return F.interpolate(part, (self.height, self.width), mode="bilinear", align_corners=False)[0, 0]

    def _back_crop(self, heat: Tensor) -> Tensor:
        edge = min(self.height, self.width)
        shown = F.interpolate(heat[None, None], (edge, edge), mode="nearest-exact")[0, 0]
        top, left = (self.height - edge) // 2, (self.width - edge) // 2
        full = torch.zeros(self.height, self.width)
        full[top : top + edge, left : left + edge] = shown
        return full

    def _offsets(self) -> tuple[int, int]:
        return abs(self.inner[0] - self.side) // 2, abs(self.inner[1] - self.side) // 2


def grey_picture(array: npt.NDArray[Any], latent_side: int) -> Tensor:
    """uint8 or float (h, w) or (h, w, 3) → float32 (h, w) in [0, 1]; uint8 is divided by 255.

    Raises GrounderError for a shape, a size, a value or a picture of one colour that cannot be grounded.
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise GrounderError(f"A picture has the shape (h, w) or (h, w, 3), not {array.shape}.")
    if min(array.shape[:2]) < 1 or max(array.shape[:2]) < latent_side:
        raise GrounderError(
            f"The image is {array.shape[1]}x{array.shape[0]} pixels, smaller than the model's latent grid"
            f" ({latent_side}x{latent_side}); give a larger image."
        )
    values = array.astype(np.float32) / (255.0 if array.dtype == np.uint8 else 1.0)
    if not np.isfinite(values).all():
        raise GrounderError("The image has values that are not numbers (NaN or infinite).")
    if values.min() < 0 or values.max() > 1:
        raise GrounderError("The image has values outside 0 to 1; give uint8, or floats in that range.")
    grey = values if values.ndim == 2 else values @ np.array([0.299, 0.587, 0.114], np.float32)
    if float(grey.max() - grey.min()) < 1e-6:
        raise GrounderError("The image has one colour everywhere: there is nothing to find in it.")
    return torch.from_numpy(np.ascontiguousarray(grey, dtype=np.float32))
