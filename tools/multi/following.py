"""A box followed from slice to slice by template matching, until what it holds is gone.

Each slice is searched with the patch of the slice before (scikit-image's `match_template`). Where the box
holds one thing that is brighter or darker than what surrounds it, its outline on each slice sets the box's
size; otherwise the box keeps its size. Knows planes only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from foveate.tools.multi.planes import Floats

Corners = tuple[float, float, float, float]
PlaneAt = Callable[[int], Floats]
FOLLOWS = 0.5
"""The least correlation of what is inside the box with the slice before."""
LEFT = 0.12
"""The share of its first area below which a thing has ended."""
OUTLINED = 0.5
"""The least IoU of a thing's outline with the given box for the outline to set the size."""
MARGIN = 0.3


@dataclass(frozen=True)
class Step:
    """A box of one slice, in pixel edges; `score` is the correlation with the slice before."""

    slice_index: int
    corners: Corners
    score: float


@dataclass(frozen=True)
class Thing:
    """What the box holds: intensities beyond `level` on the side `sign`; `area` in pixels at the start."""

    level: float
    sign: float
    area: float


def follow(plane_at: PlaneAt, start: int, corners: Corners, last: int, reach: int) -> list[Step]:
    """The box on the slices from `start` - reach to `start` + reach, within 0 to `last`, in slice order, as
    far as it could be followed without a gap."""
    thing = thing_in(plane_at(start), corners)
    below = _one_way(plane_at, start, corners, range(start - 1, max(start - reach, 0) - 1, -1), thing)
    above = _one_way(plane_at, start, corners, range(start + 1, min(start + reach, last) + 1), thing)
    return [*reversed(below), Step(start, corners, 1.0), *above]


def thing_in(pixels: Floats, corners: Corners) -> Thing | None:
    """The one thing that fills the box, or None where there is no such thing."""
    x0, y0, x1, y1 = _whole(corners, pixels)
    inside = pixels[y0:y1, x0:x1]
    core = inside[len(inside) // 4 : -(len(inside) // 4) or None]
    core = core[:, core.shape[1] // 4 : -(core.shape[1] // 4) or None]
    left, top, right, bottom = _whole(_grown(corners, MARGIN), pixels)
    ring = np.ones((bottom - top, right - left), bool)
    ring[y0 - top : y1 - top, x0 - left : x1 - left] = False
    around = pixels[top:bottom, left:right][ring]
    if not around.size or not core.size:
        return None
    inner, outer = float(np.median(core)), float(np.median(around))
    if abs(inner - outer) < 1e-6:
        return None
    found = Thing((inner + outer) / 2, float(np.sign(inner - outer)), 1.0)
    outline = _outline(pixels, corners, found)
    if outline is None or _iou(outline[0], corners) < OUTLINED:
        return None
    return Thing(found.level, found.sign, outline[1])


def _one_way(plane_at: PlaneAt, start: int, corners: Corners, way: range, thing: Thing | None) -> list[Step]:
    before, box, steps = plane_at(start), corners, list[Step]()
    for index in way:
        here = plane_at(index)
        moved, score = _moved(before, here, box)
        if score < FOLLOWS:
            break
        if thing is not None:
            outline = _outline(here, moved, thing)
            if outline is None or outline[1] < LEFT * thing.area:
                break
            moved = outline[0]
        steps.append(Step(index, moved, score))
        before, box = here, moved
    return steps


def _moved(before: Floats, here: Floats, corners: Corners) -> tuple[Corners, float]:
    """Where the patch went, and the correlation of what the box holds there."""
    from skimage.feature import match_template

    grown = _whole(_grown(corners, MARGIN), before)
    patch = before[grown[1] : grown[3], grown[0] : grown[2]]
    play_x, play_y = (max(2, round((corners[i + 2] - corners[i]) / 4)) for i in (0, 1))
    left, top = max(grown[0] - play_x, 0), max(grown[1] - play_y, 0)
    region = here[top : grown[3] + play_y, left : grown[2] + play_x]
    if np.ptp(patch) <= 0 or np.ptp(region) <= 0:
        return corners, 0.0
    scores = match_template(region, patch)
    row, col = np.unravel_index(int(np.argmax(scores)), scores.shape)
    dx, dy = left + int(col) - grown[0], top + int(row) - grown[1]
    height, width = here.shape
    dx = int(np.clip(dx, -np.floor(corners[0]), np.floor(width - corners[2])))
    dy = int(np.clip(dy, -np.floor(corners[1]), np.floor(height - corners[3])))
    moved = (corners[0] + dx, corners[1] + dy, corners[2] + dx, corners[3] + dy)
    return moved, float(scores[row, col])


def _outline(pixels: Floats, corners: Corners, thing: Thing) -> tuple[Corners, float] | None:
    """The bounds and the area of the part of the thing that has most of its pixels in the box."""
    left, top, right, bottom = _whole(_grown(corners, MARGIN), pixels)
    mask = thing.sign * (pixels[top:bottom, left:right] - thing.level) > 0
    labels, count = ndimage.label(ndimage.binary_opening(mask) if min(mask.shape) > 8 else mask)
    x0, y0, x1, y1 = _whole(corners, pixels)
    inside: npt.NDArray[np.int_] = labels[y0 - top : y1 - top, x0 - left : x1 - left]
    shares = np.bincount(inside.ravel(), minlength=count + 1)[1:]
    if not count or not shares.any():
        return None
    part = labels == int(shares.argmax()) + 1
    rows, cols = np.nonzero(part)
    bounds = (left + cols.min(), top + rows.min(), left + cols.max() + 1, top + rows.max() + 1)
    a, b, c, d = (float(value) for value in bounds)
    return (a, b, c, d), float(part.sum())


def _grown(corners: Corners, share: float) -> Corners:
    x0, y0, x1, y1 = corners
    dx, dy = max(3.0, share * (x1 - x0)), max(3.0, share * (y1 - y0))
    return x0 - dx, y0 - dy, x1 + dx, y1 + dy


def _whole(corners: Corners, pixels: Floats) -> tuple[int, int, int, int]:
    height, width = pixels.shape
    x0, y0 = max(0, int(np.floor(corners[0]))), max(0, int(np.floor(corners[1])))
    return x0, y0, min(width, int(np.ceil(corners[2]))), min(height, int(np.ceil(corners[3])))


def _iou(a: Corners, b: Corners) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(wide, 0.0) * max(high, 0.0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
