"""A box in a volume: a range of slices times a box of the slice, in voxels and in the patient's millimetres.

Knows no tool and no view.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from foveate.tools.imaging.frames import Box
from foveate.tools.imaging.image import SourceImage

Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class Box3D:
    """`corners` (x0, y0, x1, y1) in source pixels, at pixel edges, on the slices `first` to `last`
    (both included) of `plane` of the image with id `image`."""

    image: str
    plane: str
    first: int
    last: int
    corners: Corners

    @staticmethod
    def around(boxes: Iterable[Box]) -> Box3D:
        """Round boxes of source frames of one plane. Raises ValueError for none, or for several planes."""
        given = list(boxes)
        places = {(box.frame.image_id, box.frame.plane) for box in given}
        if len(places) != 1:
            raise ValueError("a box in a volume needs boxes of one plane of one image")
        [(image, plane)] = places
        slices = [box.frame.slice_index for box in given]
        numbers = np.array([box.as_tuple() for box in given])
        (x0, y0), (x1, y1) = numbers[:, :2].min(0).tolist(), numbers[:, 2:].max(0).tolist()
        return Box3D(image, plane, min(slices), max(slices), (x0, y0, x1, y1))

    @property
    def volume(self) -> float:
        """In voxels."""
        x0, y0, x1, y1 = self.corners
        return (x1 - x0) * (y1 - y0) * (self.last + 1 - self.first)

    def iou(self, other: Box3D) -> float:
        """Intersection over union in voxels. Raises ValueError for boxes of two images or planes."""
        if (self.image, self.plane) != (other.image, other.plane):
            raise ValueError("boxes of different images or planes cannot be compared")
        a, b = self.corners, other.corners
        deep = min(self.last, other.last) + 1 - max(self.first, other.first)
        wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        both = max(deep, 0) * max(wide, 0.0) * max(high, 0.0)
        return both / (self.volume + other.volume - both)

    def mm(self, image: SourceImage) -> list[float] | None:
        """[x0, y0, z0, x1, y1, z1] in patient millimetres (LPS), slices with their thickness; None where the
        file does not place its voxels."""
        x0, y0, x1, y1 = self.corners
        points = [
            image.patient_point(self.plane, index, x, y)
            for index in (self.first - 0.5, self.last + 0.5)
            for x in (x0, x1)
            for y in (y0, y1)
        ]
        known = np.array([point for point in points if point is not None])
        return None if not len(known) else [*known.min(axis=0).tolist(), *known.max(axis=0).tolist()]

    def told(self, image: SourceImage) -> dict[str, Any]:
        """As facts of a tool: `mm` and `size_mm` (x, y, z) are None where they are not known."""
        extent = self.mm(image)
        size = None if extent is None else [round(extent[i + 3] - extent[i], 1) for i in range(3)]
        return {
            "first": self.first,
            "last": self.last,
            "box": [round(value, 2) for value in self.corners],
            "mm": None if extent is None else [round(value, 2) for value in extent],
            "size_mm": size,
        }
