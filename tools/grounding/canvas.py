"""Source slices → model inputs: the body at a known scale, the patient's right on the left, with the way
back.

Knows source images and millimetres; nothing of phrases or models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from foveate.tools.grounding.inputs import grey_channels, hu_channels
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.windows import Window, apply_window

AIR = -1024.0
MARGIN_MM = 8.0
# a body without a known scale is taken to be as wide as most adults are
ASSUMED_BODY_MM = 350.0


@dataclass(frozen=True)
class Canvas:
    """The body's part of one slice: `values` (rows, cols) in HU or grey, square pixels of `mm`, mirrored
    if need be.

    `origin` is the (x, y) of its corner in source pixels and `step` (x, y) the source pixels per canvas
    pixel; with `mirrored` the canvas columns run from right to left.
    """

    values: Tensor
    is_hu: bool
    mm: float
    origin: tuple[float, float]
    step: tuple[float, float]
    mirrored: bool

    def inputs(self, mm: float, stride: int) -> tuple[Tensor, tuple[float, float]]:
        """Model input (1, 5, H, W) at `mm` per pixel, padded to the stride, and the size (w, h) that is
        not padding.
        """
        scale = self.mm / mm
        height, width = (max(1, round(n * scale)) for n in self.values.shape)
        image = _resize(self.values[None, None], height, width)[0]
        fill = AIR if self.is_hu else 0.0
        image = F.pad(image, (0, -width % stride, 0, -height % stride), value=fill)
        channels = hu_channels(image) if self.is_hu else grey_channels(image)
        return channels, (width, height)


def canvas_of(image: SourceImage, plane: str, slice_index: int, window: Window | None) -> Canvas:
    """The body on that slice. CT is read in HU; anything else as grey in `window` (or as it is)."""
    pixels = image.plane_pixels(plane, slice_index)
    is_hu = image.intensity_unit == "HU" and pixels.ndim == 2
    values = np.maximum(pixels.astype(np.float32), AIR) if is_hu else _grey(pixels, window)
    row_mm, col_mm = image.plane_spacing(plane) or (1.0, 1.0)
    x0, y0, x1, y1 = body_box(values > (-300 if is_hu else 0.08))
    if image.plane_spacing(plane) is None:
        row_mm = col_mm = ASSUMED_BODY_MM / (x1 - x0)
    mx, my = math.ceil(MARGIN_MM / col_mm), math.ceil(MARGIN_MM / row_mm)
    x0, y0 = max(0, x0 - mx), max(0, y0 - my)
    x1, y1 = min(values.shape[1], x1 + mx), min(values.shape[0], y1 + my)
    mm = max(1.0, min(row_mm, col_mm))
    height, width = max(1, round((y1 - y0) * row_mm / mm)), max(1, round((x1 - x0) * col_mm / mm))
    part = torch.from_numpy(np.ascontiguousarray(values[y0:y1, x0:x1]))
    square = _resize(part[None, None], height, width)[0, 0]
    sides = image.sides(plane)
    mirrored = sides is not None and sides[0] == "L"
    step = ((x1 - x0) / width, (y1 - y0) / height)
    return Canvas(square.flip(1) if mirrored else square, is_hu, mm, (float(x0), float(y0)), step, mirrored)


def body_box(tissue: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Pixel edges of the body and what is nearly as large; the whole picture when there is no body."""
    labels, count = ndimage.label(ndimage.binary_opening(tissue, iterations=2))
    if not count:
        return 0, 0, tissue.shape[1], tissue.shape[0]
    area = np.bincount(labels.ravel())[1:]
    found = ndimage.find_objects(labels)
    kept = [box for box, size in zip(found, area, strict=True) if size >= 0.03 * area.max()]
    rows, cols = zip(*kept, strict=True)
    return (
        min(c.start for c in cols),
        min(r.start for r in rows),
        max(c.stop for c in cols),
        max(r.stop for r in rows),
    )


def _grey(pixels: npt.NDArray[Any], window: Window | None) -> npt.NDArray[np.float32]:
    if pixels.ndim == 3:
        return np.asarray(pixels @ np.array([0.299, 0.587, 0.114]) / 255, dtype=np.float32)
    shown = pixels if window is None else apply_window(pixels, window)
    return np.asarray(shown / np.float32(255), dtype=np.float32)


def _resize(image: Tensor, height: int, width: int) -> Tensor:
    if image.shape[-2:] == (height, width):
        return image
    return F.interpolate(image, (height, width), mode="bilinear", antialias=True, align_corners=False)
