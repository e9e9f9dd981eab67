"""Frames and boxes: every coordinate names the frame that it lives in.

Continuous pixel-edge coordinates: pixel column ``i`` covers ``[i, i + 1)``, the origin is the top-left
corner. This module does not know files, pixels or patients; it is the plane geometry that views are made
of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

EDGE_TOLERANCE = 1e-6
"""How far, in pixels, rounding may carry a box over the edge of its frame before it is an error."""


class BoxError(ValueError):
    """A box that its frame cannot hold; the sentence names the frame, its size and the numbers."""


@dataclass(frozen=True, slots=True)
class Affine2D:
    """``x' = a x + b y + c`` and ``y' = d x + e y + f``; ``(p @ q)`` applies ``q`` first."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    @staticmethod
    def identity() -> Affine2D:
        return Affine2D(1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

    @staticmethod
    def scale_shift(scale_x: float, scale_y: float, shift_x: float, shift_y: float) -> Affine2D:
        """The map that multiplies first and shifts afterwards."""
        return Affine2D(scale_x, 0.0, shift_x, 0.0, scale_y, shift_y)

    def apply(self, x: float, y: float) -> tuple[float, float]:
        return self.a * x + self.b * y + self.c, self.d * x + self.e * y + self.f

    def __matmul__(self, other: Affine2D) -> Affine2D:
        c, f = self.apply(other.c, other.f)
        return Affine2D(
            self.a * other.a + self.b * other.d,
            self.a * other.b + self.b * other.e,
            c,
            self.d * other.a + self.e * other.d,
            self.d * other.b + self.e * other.e,
            f,
        )

    def inverse(self) -> Affine2D:
        """Raises ZeroDivisionError for a map that flattens the plane."""
        det = self.a * self.e - self.b * self.d
        a, b, d, e = self.e / det, -self.b / det, -self.d / det, self.a / det
        return Affine2D(a, b, -(a * self.c + b * self.f), d, e, -(d * self.c + e * self.f))

    def map_box(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        """The bounding box of the mapped corners; exact for flips and quarter turns."""
        ax, ay = self.apply(x0, y0)
        bx, by = self.apply(x1, y1)
        return min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)


@dataclass(frozen=True)
class Frame:
    """The pixel plane of one view, or of one source slice, and the way back to the source slice.

    ``affine`` maps this frame's pixels to source pixels; ``source_size`` is (width, height) of the source
    slice. A source frame has the identity and its own size.
    """

    id: str
    width: float
    height: float
    affine: Affine2D
    image_id: str
    plane: str
    slice_index: int
    source_size: tuple[float, float]

    @property
    def source(self) -> Frame:
        """The frame of the source slice that this frame shows."""
        width, height = self.source_size
        name = f"source-{self.image_id[:12]}-{self.plane}-{self.slice_index}"
        return Frame(
            name,
            width,
            height,
            Affine2D.identity(),
            self.image_id,
            self.plane,
            self.slice_index,
            self.source_size,
        )

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Box:
        """A checked box of this frame. Raises BoxError when it is empty, not finite or outside."""
        numbers = (float(x0), float(y0), float(x1), float(y1))
        fault = self._fault(*numbers)
        if fault:
            raise BoxError(f"The box {_show(numbers)} {fault} (frame {self.id}, {self._size()} pixels).")
        x0, y0 = max(numbers[0], 0.0), max(numbers[1], 0.0)
        x1, y1 = min(numbers[2], self.width), min(numbers[3], self.height)
        return Box(x0, y0, x1, y1, self)

    def whole(self) -> Box:
        """The box that is the whole frame."""
        return Box(0.0, 0.0, float(self.width), float(self.height), self)

    def to_source(self, box: Box) -> Box:
        """The same region in source pixels. Raises BoxError when the box belongs to another frame."""
        if box.frame != self:
            raise BoxError(f"A box of frame {box.frame.id} was given to frame {self.id}; map it first.")
        return self.source.box(*self.affine.map_box(*box.as_tuple()))

    def from_source(self, box: Box) -> Box:
        """The part of a source box that this frame shows. Raises BoxError when they do not meet."""
        if box.frame != self.source:
            raise BoxError(f"A box of frame {box.frame.id} is not on the source slice of frame {self.id}.")
        x0, y0, x1, y1 = self.affine.inverse().map_box(*box.as_tuple())
        x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, self.width), min(y1, self.height)
        if x1 - x0 <= EDGE_TOLERANCE or y1 - y0 <= EDGE_TOLERANCE:
            raise BoxError(
                f"The box {_show(box.as_tuple())} of the source is not visible in frame {self.id}."
            )
        return Box(x0, y0, x1, y1, self)

    def _fault(self, x0: float, y0: float, x1: float, y1: float) -> str:
        if not all(math.isfinite(value) for value in (x0, y0, x1, y1)):
            return "has a number that is not finite"
        if x1 <= x0 or y1 <= y0:
            return "is empty: it needs x1 > x0 and y1 > y0"
        low, right, bottom = -EDGE_TOLERANCE, self.width + EDGE_TOLERANCE, self.height + EDGE_TOLERANCE
        if x0 < low or y0 < low or x1 > right or y1 > bottom or x0 >= self.width or y0 >= self.height:
            return "lies outside the image" if self._apart(x0, y0, x1, y1) else "reaches outside the image"
        # a sliver that lies wholly within the tolerance strip would be snapped to nothing
        return "lies outside the image" if x1 <= 0 or y1 <= 0 else ""

    def _apart(self, x0: float, y0: float, x1: float, y1: float) -> bool:
        return x0 >= self.width or y0 >= self.height or x1 <= 0 or y1 <= 0

    def _size(self) -> str:
        return f"{self.width:g}x{self.height:g}"


@dataclass(frozen=True)
class MontageFrame(Frame):
    """The frame of several slices side by side: tiles of ``tile`` (width, height) pixels, row by row.

    ``affine`` maps the pixels of any tile, counted from its own corner, to source pixels of its slice.
    A box lies in one tile, and so on one slice; one that spans several is an error.
    """

    slices: tuple[int, ...] = ()
    columns: int = 1
    tile: tuple[int, int] = (1, 1)

    @property
    def source(self) -> Frame:
        raise BoxError(f"The montage {self.id} shows several slices and has no source slice of its own.")

    def tile_frame(self, place: int) -> Frame:
        """The frame of one tile alone; its slice is ``slices[place]``."""
        width, height = self.tile
        name = f"{self.id}-{place}"
        index = self.slices[place]
        return Frame(name, width, height, self.affine, self.image_id, self.plane, index, self.source_size)

    def to_source(self, box: Box) -> Box:
        """Raises BoxError also when the box spans several tiles."""
        if box.frame != self:
            raise BoxError(f"A box of frame {box.frame.id} was given to frame {self.id}; map it first.")
        (width, height), (x, y) = self.tile, box.center
        col, row = int(x // width), int(y // height)
        place = row * self.columns + col
        if place >= len(self.slices) or col >= self.columns:
            raise BoxError(f"The box {_show(box.as_tuple())} lies on no slice of the montage {self.id}.")
        frame, (left, top) = self.tile_frame(place), self._corner(place)
        try:
            inside = frame.box(box.x0 - left, box.y0 - top, box.x1 - left, box.y1 - top)
        except BoxError:
            raise BoxError(
                f"The box {_show(box.as_tuple())} spans several slices of the montage {self.id}; "
                "give a box within one slice."
            ) from None
        return frame.to_source(inside)

    def from_source(self, box: Box) -> Box:
        """In the tile of the box's slice. Raises BoxError when the montage does not show it."""
        index = box.frame.slice_index
        if index not in self.slices or box.frame != self.tile_frame(self.slices.index(index)).source:
            raise BoxError(f"A box of frame {box.frame.id} is not on a slice of the montage {self.id}.")
        place = self.slices.index(index)
        shown, (left, top) = self.tile_frame(place).from_source(box), self._corner(place)
        return Box(shown.x0 + left, shown.y0 + top, shown.x1 + left, shown.y1 + top, self)

    def _corner(self, place: int) -> tuple[float, float]:
        row, col = divmod(place, self.columns)
        return float(col * self.tile[0]), float(row * self.tile[1])


@dataclass(frozen=True)
class Box:
    """An axis-aligned region of one frame. Make it with ``frame.box(...)``, which checks it."""

    x0: float
    y0: float
    x1: float
    y1: float
    frame: Frame

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def as_tuple(self) -> tuple[float, float, float, float]:
        return self.x0, self.y0, self.x1, self.y1

    def as_list(self) -> list[float]:
        return [self.x0, self.y0, self.x1, self.y1]

    def to_source(self) -> Box:
        return self.frame.to_source(self)

    def iou(self, other: Box) -> float:
        """Intersection over union. Raises BoxError for boxes of two frames: they have no common measure."""
        if other.frame != self.frame:
            raise BoxError(
                f"Boxes of frames {self.frame.id} and {other.frame.id} cannot be compared directly."
            )
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        both = max(width, 0.0) * max(height, 0.0)
        return both / (self.area + other.area - both)


def _show(numbers: tuple[float, float, float, float]) -> str:
    return "[" + ", ".join(f"{value:.6g}" for value in numbers) + "]"
