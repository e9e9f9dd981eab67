"""One source slice as numbers on a plane with spacing, and resampling of one plane on the grid of another.

Coordinates are pixel edges, as everywhere (`frames.py`): column i covers [i, i + 1). Knows no file, no tool
and no registration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from foveate.tools.imaging.features import LUMA
from foveate.tools.imaging.frames import Affine2D
from foveate.tools.imaging.image import SourceImage

Floats = npt.NDArray[np.float32]
Unit = Literal["mm", "pixels"]


@dataclass(frozen=True)
class Plane:
    """`pixels` float32 [row, col] in stored intensities; `spacing` (row, col) in `unit` per pixel."""

    pixels: Floats
    spacing: tuple[float, float]
    unit: Unit

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[0])


def plane_of(image: SourceImage, plane: str, slice_index: int) -> Plane:
    """A slice of an image; colours become grey. Without spacing in the file a pixel counts as one pixel."""
    spacing = image.plane_spacing(plane)
    unit: Unit = "pixels" if spacing is None else "mm"
    return Plane(gray(image.plane_pixels(plane, slice_index)), spacing or (1.0, 1.0), unit)


def pair_of_planes(fixed: Plane, moving: Plane) -> tuple[Plane, Plane]:
    """The two in one unit: millimetres when both have them, else pixels of the first, at equal widths."""
    if fixed.unit == moving.unit == "mm":
        return fixed, moving
    scale = fixed.size[0] / moving.size[0]
    return Plane(fixed.pixels, (1.0, 1.0), "pixels"), Plane(moving.pixels, (scale, scale), "pixels")


def gray(pixels: npt.NDArray[Any]) -> Floats:
    """[row, col] or [row, col, 3] of any type → float32 [row, col]."""
    if pixels.ndim == 3:
        return np.asarray(pixels @ LUMA, np.float32)
    return np.ascontiguousarray(pixels, np.float32)


def spread_of(*planes: Plane) -> tuple[float, float]:
    """The 0.5th and 99.5th percentile of the intensities of the planes together; never of equal size."""
    values = np.concatenate([plane.pixels.ravel()[::7] for plane in planes])
    low, high = (float(value) for value in np.percentile(values, [0.5, 99.5]))
    return (low, high) if high > low else (low, low + 1.0)


def warped(moving: Floats, affine: Affine2D, size: tuple[int, int], order: int = 3) -> Floats:
    """`moving` on a grid of `size` (width, height): there, (x, y) shows `moving` at affine(x, y).

    NaN where `moving` has nothing. Spline interpolation of that order.
    """
    matrix = np.array([[affine.e, affine.d], [affine.b, affine.a]])
    centre_x, centre_y = affine.apply(0.5, 0.5)
    offset = np.array([centre_y - 0.5, centre_x - 0.5])
    shape = (size[1], size[0])
    made = ndimage.affine_transform(moving, matrix, offset, shape, order=order, mode="nearest")
    reach = ndimage.affine_transform(
        np.ones_like(moving), matrix, offset, shape, order=1, mode="constant", cval=0.0
    )
    return np.where(reach > 0.999, made, np.nan).astype(np.float32)


def correlation(a: Floats, b: Floats) -> float:
    """Pearson correlation where both are numbers; 0 where one of them is constant there."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 16:
        return 0.0
    x, y = a[both].astype(np.float64), b[both].astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 1e-9 else 0.0
