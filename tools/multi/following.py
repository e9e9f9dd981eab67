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


@dataclass(frozen=True)
class Settings:
    """`follows`: the least correlation with the slice before. `play`: how far the box may move from slice to
    slice, as a share of its sides; `gain`: by how much the correlation must rise for it to move. `core`: the
    share of the box's middle that must still be of the thing. `grows`: how far an edge may move from slice to
    slice, as a share of the side. `outlined`: the least IoU of a thing's outline with the given box for the
    outline to set the size. `margin`: what is matched besides the box, as a share of its sides."""

    follows: float = 0.5
    play: float = 0.12
    gain: float = 0.02
    core: float = 0.4
    grows: float = 0.1
    outlined: float = 0.6
    margin: float = 0.3


@dataclass(frozen=True)
class Step:
    """A box of one slice, in pixel edges; `score` is the correlation with the slice before."""

    slice_index: int
    corners: Corners
    score: float


@dataclass(frozen=True)
class Thing:
    """What the box holds: intensities beyond `level` on the side `sign`. `outlined`: whether its outline sets
    the size of the box, and not only whether it is still there."""

    level: float
    sign: float
    outlined: bool


def follow(
    plane_at: PlaneAt, start: int, corners: Corners, last: int, reach: int, settings: Settings = Settings()
) -> list[Step]:
    """The box on the slices from `start` - reach to `start` + reach, within 0 to `last`, in slice order, as
    far as it could be followed without a gap."""
    thing = thing_in(plane_at(start), corners, settings)
    ways = (range(start - 1, max(start - reach, 0) - 1, -1), range(start + 1, min(start + reach, last) + 1))
    below, above = (_one_way(plane_at, start, corners, way, thing, settings) for way in ways)
    return [*reversed(below), Step(start, corners, 1.0), *above]


def thing_in(pixels: Floats, corners: Corners, settings: Settings = Settings()) -> Thing | None:
    """The one thing that fills the box's middle, or None where there is no such thing."""
    x0, y0, x1, y1 = _whole(corners, pixels)
    left, top, right, bottom = _whole(_grown(corners, settings.margin), pixels)
    ring = np.ones((bottom - top, right - left), bool)
    ring[y0 - top : y1 - top, x0 - left : x1 - left] = False
    around = pixels[top:bottom, left:right][ring]
    if not around.size:
        return None
    inner, outer = float(np.median(_middle(pixels, corners))), float(np.median(around))
    if abs(inner - outer) < 1e-6:
        return None
    found = Thing((inner + outer) / 2, float(np.sign(inner - outer)), False)
    if _share(pixels, corners, found) < settings.core:
        return None
    outline = _outline(pixels, corners, found, settings)
    fits = outline is not None and _iou(outline, corners) >= settings.outlined
    return Thing(found.level, found.sign, fits)


def _one_way(
    plane_at: PlaneAt, start: int, corners: Corners, way: range, thing: Thing | None, settings: Settings
) -> list[Step]:
    before, box, steps = plane_at(start), corners, list[Step]()
    for index in way:
        here = plane_at(index)
        moved, score = _moved(before, here, box, settings)
        if score < settings.follows or (thing and _share(here, moved, thing) < settings.core):
            break
        if thing is not None and thing.outlined:
            moved = _fitted(here, moved, thing, settings)
        steps.append(Step(index, moved, score))
        before, box = here, moved
    return steps


def _moved(before: Floats, here: Floats, corners: Corners, settings: Settings) -> tuple[Corners, float]:
    """Where the patch went, and its correlation there; it stays where moving gains too little."""
    from skimage.feature import match_template

    grown = _whole(_grown(corners, settings.margin), before)
    patch = before[grown[1] : grown[3], grown[0] : grown[2]]
    play = [max(1, round((corners[i + 2] - corners[i]) * settings.play)) for i in (0, 1)]
    left, top = max(grown[0] - play[0], 0), max(grown[1] - play[1], 0)
    region = here[top : grown[3] + play[1], left : grown[2] + play[0]]
    if np.ptp(patch) <= 0 or np.ptp(region) <= 0:
        return corners, 0.0
    scores = match_template(region, patch)
    row, col = (int(value) for value in np.unravel_index(int(np.argmax(scores)), scores.shape))
    still = float(scores[grown[1] - top, grown[0] - left])
    if scores[row, col] - still < settings.gain:
        return corners, still
    height, width = here.shape
    dx = int(np.clip(left + col - grown[0], -np.floor(corners[0]), np.floor(width - corners[2])))
    dy = int(np.clip(top + row - grown[1], -np.floor(corners[1]), np.floor(height - corners[3])))
    moved = (corners[0] + dx, corners[1] + dy, corners[2] + dx, corners[3] + dy)
    return moved, float(scores[row, col])


def _fitted(pixels: Floats, corners: Corners, thing: Thing, settings: Settings) -> Corners:
    """The box with its edges moved towards the thing's outline, by a little each; an edge at which the
    outline runs out of the window has leaked into something else and stays."""
    outline = _outline(pixels, corners, thing, settings)
    if outline is None:
        return corners
    window = _whole(_grown(corners, settings.margin), pixels)
    edges = []
    for i in range(4):
        most = max(1.0, settings.grows * (corners[i % 2 + 2] - corners[i % 2]))
        leaked = abs(outline[i] - window[i]) < 0.5
        change = 0.0 if leaked else float(np.clip(outline[i] - corners[i], -most, most))
        edges.append(corners[i] + change)
    x0, y0, x1, y1 = edges
    return (x0, y0, x1, y1) if x1 - x0 >= 2 and y1 - y0 >= 2 else corners


def _outline(pixels: Floats, corners: Corners, thing: Thing, settings: Settings) -> Corners | None:
    """The bounds of the part of the thing that has most of its pixels in the box."""
    left, top, right, bottom = _whole(_grown(corners, settings.margin), pixels)
    mask = thing.sign * (pixels[top:bottom, left:right] - thing.level) > 0
    labels, count = ndimage.label(ndimage.binary_opening(mask) if min(mask.shape) > 12 else mask)
    x0, y0, x1, y1 = _whole(corners, pixels)
    inside: npt.NDArray[np.int_] = labels[y0 - top : y1 - top, x0 - left : x1 - left]
    shares = np.bincount(inside.ravel(), minlength=count + 1)[1:]
    if not count or not shares.any():
        return None
    rows, cols = np.nonzero(labels == int(shares.argmax()) + 1)
    bounds = (left + cols.min(), top + rows.min(), left + cols.max() + 1, top + rows.max() + 1)
    a, b, c, d = (float(value) for value in bounds)
    return a, b, c, d


def _middle(pixels: Floats, corners: Corners) -> Floats:
    """The middle half of the box along each side; at least one pixel."""
    x0, y0, x1, y1 = corners
    dx, dy = (x1 - x0) / 4, (y1 - y0) / 4
    a, b, c, d = _whole((x0 + dx, y0 + dy, x1 - dx, y1 - dy), pixels)
    return pixels[b : max(d, b + 1), a : max(c, a + 1)]


def _share(pixels: Floats, corners: Corners, thing: Thing) -> float:
    """How much of the box's middle is of the thing."""
    return float((thing.sign * (_middle(pixels, corners) - thing.level) > 0).mean())


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
