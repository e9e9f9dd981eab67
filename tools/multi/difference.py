"""What differs between two registered planes: a map of blurred differences, and boxes round what stands out.

The difference is judged against what noise and an imperfect registration would make: the noise is estimated
from the difference itself (median absolute deviation), the allowance for misregistration is that many pixels
times the local gradient. A box is drawn at half the height of what stands out, which undoes the blur. Knows
no view and no tool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from foveate.tools.multi.planes import Floats

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Settings:
    """`blur`: sigma in pixels. `misfit`: pixels by which a registration may be off, where something was
    moved. `seed`: how many times noise and misfit a change must reach. `smallest`: pixels of area at half
    height. `joint`: parts of one change lie at most this many pixels apart. `floor`: the least noise, as a
    share of the intensity range."""

    blur: float = 1.0
    misfit: float = 0.25
    seed: float = 6.0
    smallest: int = 9
    joint: int = 2
    floor: float = 0.004


@dataclass(frozen=True)
class Change:
    """`corners` (x0, y0, x1, y1) in pixels of the newer plane, at its edges. `mean`: newer minus older in
    stored intensities, at half height. `strength`: its peak over noise and misfit; it only ranks."""

    corners: tuple[float, float, float, float]
    mean: float
    strength: float

    @property
    def direction(self) -> Literal["brighter", "darker"]:
        return "brighter" if self.mean > 0 else "darker"


def changes(newer: Floats, older: Floats, moved: bool, settings: Settings = Settings()) -> list[Change]:
    """What differs, strongest first. `older` [row, col] is on the grid of `newer`, NaN where it has nothing;
    `moved` says whether it was resampled to get there."""
    known = np.isfinite(older) & np.isfinite(newer)
    if moved:
        known = ndimage.binary_erosion(known, iterations=3)
    if known.sum() < 64:
        return []
    difference, allowed = _maps(newer, older, known, moved, settings)
    strength = np.where(known, np.abs(difference) / allowed, 0.0)
    found: list[Change] = []
    for sign in (1.0, -1.0):
        found += _of_sign(sign * difference, strength, sign, settings)
    return sorted(found, key=lambda change: -change.strength)


def _maps(
    newer: Floats, older: Floats, known: Mask, moved: bool, settings: Settings
) -> tuple[Floats, Floats]:
    """(difference, what noise and misfit would make of it), both [row, col]."""
    filled = np.where(known, older, newer)
    scale, shift = _fit(newer[known], filled[known])
    before = ndimage.gaussian_filter(filled * scale + shift, settings.blur)
    after = ndimage.gaussian_filter(newer, settings.blur)
    difference = np.where(known, after - before, 0.0)
    low, high = np.percentile(newer[known], [1, 99])
    noise = 1.4826 * _typical(difference, before, known) + settings.floor * max(float(high - low), 1e-6)
    steep = np.minimum(_gradient(before), _gradient(after)) if moved else np.zeros_like(before)
    steep = ndimage.maximum_filter(steep, 3)
    allowed = np.sqrt(noise**2 + (settings.misfit * steep) ** 2)
    return difference.astype(np.float32), allowed.astype(np.float32)


def _fit(newer: Floats, older: Floats) -> tuple[float, float]:
    """The line that carries the older intensities to the newer ones, by a tenth from either end of both; the
    identity where that is hardly different, so that equal scanners stay exactly equal."""
    old, new = (np.percentile(values, [10, 90]) for values in (older, newer))
    if old[1] - old[0] < 1e-6 or new[1] - new[0] < 1e-6:
        return 1.0, 0.0
    scale = float((new[1] - new[0]) / (old[1] - old[0]))
    shift = float(new[0] - scale * old[0])
    if abs(scale - 1) < 0.05 and abs(shift) < 0.05 * float(new[1] - new[0]):
        return 1.0, 0.0
    return scale, shift


def _typical(difference: Floats, before: Floats, known: Mask) -> float:
    """The median size of the difference where there is something: padding would say that there is none."""
    size = np.abs(difference[known & (before > np.percentile(before[known], 20))])
    return float(np.median(size)) if size.size else 0.0


def _gradient(plane: Floats) -> Floats:
    steep: Floats = np.hypot(*np.gradient(plane)).astype(np.float32)
    return steep


def _of_sign(height: Floats, strength: Floats, sign: float, settings: Settings) -> list[Change]:
    """Changes of one direction: round each peak, what reaches half of it."""
    left = np.where(height > 0, strength, 0.0)
    found: list[Change] = []
    while len(found) < 12 and left.max() >= settings.seed:
        row, col = np.unravel_index(int(left.argmax()), left.shape)
        region = _half_height(height, (int(row), int(col)), settings.joint)
        if region.sum() >= settings.smallest:
            found.append(_change(region, height, float(strength[row, col]), sign))
        around = ndimage.binary_dilation(region, iterations=3)
        left[around] = 0.0
        left[max(row - 2, 0) : row + 3, max(col - 2, 0) : col + 3] = 0.0
    return _apart(found)


def _half_height(height: Floats, peak: tuple[int, int], joint: int) -> Mask:
    """The part round the peak that reaches half of the typical height there; small gaps are closed."""
    first = _component(height > height[peak] / 2, peak, 0)
    level = float(np.percentile(height[first], 75)) / 2
    region = _component(height > level, peak, joint)
    return region & (height > level)


def _component(mask: Mask, peak: tuple[int, int], joint: int) -> Mask:
    closed = ndimage.binary_dilation(mask, iterations=joint) if joint else mask
    labels, _ = ndimage.label(closed, structure=np.ones((3, 3)))
    return np.asarray(labels == labels[peak])


def _change(region: Mask, height: Floats, strength: float, sign: float) -> Change:
    [(rows, cols)] = ndimage.find_objects(region.astype(np.int8))
    corners = (float(cols.start), float(rows.start), float(cols.stop), float(rows.stop))
    return Change(corners, sign * float(height[region].mean()), strength)


def _apart(found: list[Change]) -> list[Change]:
    """Without the changes whose middle lies in a stronger one's box."""
    kept: list[Change] = []
    for change in sorted(found, key=lambda one: -one.strength):
        x, y = (change.corners[0] + change.corners[2]) / 2, (change.corners[1] + change.corners[3]) / 2
        boxes = (one.corners for one in kept)
        if not any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in boxes):
            kept.append(change)
    return kept
