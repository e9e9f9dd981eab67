"""Where labelled structures lie on a slice and how two of them lie to each other: computed from masks alone.

Knows no words, no picture and no question. Coordinates are pixel edges of the slice as it is viewed
(radiological: the patient's right at the left); `stored` tells where they are in the array as stored (RAS).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from foveate.tools.imaging.image import SourceImage

Convention = Literal["viewing", "storage"]
Box = tuple[float, float, float, float]
Sides = tuple[str, str]
PLANES = ("axial", "coronal", "sagittal")


@dataclass(frozen=True)
class Extent:
    """One structure's cross-section: its bounding box, centre of mass and area in pixels of the slice."""

    label: int
    box: Box
    center: tuple[float, float]
    area: int


def extents(labels: npt.NDArray[Any], names: Mapping[int, str], min_area: int = 40) -> list[Extent]:
    """The named structures with at least `min_area` pixels on a slice `[row, col]`, by label number."""
    labels = np.ascontiguousarray(labels).astype(np.int32)
    counts = np.bincount(labels.ravel())
    boxes = ndimage.find_objects(labels)
    wanted = [n for n in sorted(names) if n < len(counts) and counts[n] >= min_area]
    found = []
    for number in wanted:
        rows, cols = boxes[number - 1]
        inside = labels[rows, cols] == number
        y, x = np.nonzero(inside)
        center = float(x.mean()) + cols.start + 0.5, float(y.mean()) + rows.start + 0.5
        box = float(cols.start), float(rows.start), float(cols.stop), float(rows.stop)
        found.append(Extent(number, box, center, int(counts[number])))
    return found


def before(one: Extent, other: Extent, axis: int, min_gap: float = 0.0) -> bool | None:
    """Whether `one` lies at smaller coordinates along the axis (0 is x, 1 is y).

    None where it is open to dispute: the boxes overlap along the axis, or the centres are closer than
    `min_gap` pixels.
    """
    if abs(one.center[axis] - other.center[axis]) < min_gap:
        return None
    if one.box[axis + 2] <= other.box[axis]:
        return True
    return False if other.box[axis + 2] <= one.box[axis] else None


def larger(one: Extent, other: Extent, ratio: float = 1.5) -> bool | None:
    """Whether `one` covers the larger area; None where neither is `ratio` times the other."""
    if one.area >= ratio * other.area:
        return True
    return False if other.area >= ratio * one.area else None


def stored(extent: Extent, size: tuple[int, int]) -> Extent:
    """The same cross-section in the picture of the array as stored.

    `volume[:, :, k]` and its like in RAS order, first index down and second index to the right, is the viewed
    slice mirrored on its rising diagonal: (x, y) of (width, height) goes to (height - y, width - x).
    """
    width, height = size
    x0, y0, x1, y1 = extent.box
    box = (height - y1, width - x1, height - y0, width - x0)
    center = (height - extent.center[1], width - extent.center[0])
    return Extent(extent.label, box, center, extent.area)


def in_plane_sides(image: SourceImage, plane: str, axis: int) -> Sides:
    """Where in the patient (R L A P H F) the small and the large end of an axis of the viewed slice lie."""
    sides = image.sides(plane)
    if sides is None:
        raise ValueError("the volume does not say how it lies in the patient")
    return (sides[0], sides[2]) if axis == 0 else (sides[1], sides[3])


def through_sides(image: SourceImage, plane: str) -> Sides:
    """Where in the patient the first and the last slice of a plane lie."""
    if plane == "axial":
        return ("F", "H")
    return in_plane_sides(image, "axial", 1 if plane == "coronal" else 0)


def spot(mask: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """(x, y) of the pixel deepest inside a mask `[row, col]`: a point that surely lies on the structure."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, col = np.unravel_index(int(np.argmax(depth)), mask.shape)
    return int(col), int(row)
