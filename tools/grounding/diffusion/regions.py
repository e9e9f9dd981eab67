"""Heat maps → boxes: thresholds, components, several regions. Knows arrays only.

A min–max map is relative: whatever is found here says where, never whether.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from foveate.tools.grounding.diffusion.maps import otsu

Cut = Literal["fixed", "otsu", "gmm"]
Heat = npt.NDArray[np.float32]
_EIGHT = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True)
class HeatBox:
    """Pixel edges (x0, y0, x1, y1) in the map; `score` is the mean heat inside the region, `mass` its sum."""

    corners: tuple[float, float, float, float]
    score: float
    mass: float


def find_regions(heat: Heat, cut: Cut, level: float, most: int, least: float) -> list[HeatBox]:
    """Boxes round the components above a threshold, heaviest first.

    heat (h, w) in [0, 1]. At most `most`; none with less than `least` of the heaviest one's mass. Empty for
    a flat map: there is nothing to point at.
    """
    mask = foreground(heat, cut, level)
    labels, count = ndimage.label(mask, structure=_EIGHT)
    if not count or float(heat.max() - heat.min()) < 1e-6:
        return []
    numbers = np.arange(1, count + 1)
    mass = np.asarray(ndimage.sum_labels(heat, labels, numbers))
    boxes, found = ndimage.find_objects(labels), []
    for number in numbers[np.argsort(-mass, kind="stable")][:most]:
        if mass[number - 1] < least * mass.max():
            break
        rows, cols = boxes[number - 1]
        corners = (float(cols.start), float(rows.start), float(cols.stop), float(rows.stop))
        score = float(heat[labels == number].mean())
        found.append(HeatBox(corners, score, float(mass[number - 1])))
    return found


def foreground(heat: Heat, cut: Cut, level: float = 0.5) -> npt.NDArray[np.bool_]:
    """The pixels above the threshold; with "gmm" also 2507.12236's filter of single pixels."""
    if cut == "fixed":
        return np.asarray(heat > level)
    if cut == "otsu":
        return np.asarray(heat > otsu(heat))
    return without_orphans(heat > gmm_threshold(heat))


def gmm_threshold(heat: Heat, rounds: int = 100, tolerance: float = 1e-6) -> float:
    """The mean of the two means of a two-component Gaussian mixture (2507.12236); expectation–maximisation,
    started from Otsu's classes, so that it needs no random start.
    """
    values = heat.ravel().astype(np.float64)
    if values.max() - values.min() < 1e-9:
        return float(values.max())
    high = (values > otsu(heat)).astype(np.float64)
    weight = np.stack([1 - high, high])
    middle = np.inf
    for _ in range(rounds):
        size = weight.sum(1) + 1e-12
        mean = weight @ values / size
        spread = (weight * (values - mean[:, None]) ** 2).sum(1) / size + 1e-6
        if abs(mean.mean() - middle) < tolerance:
            break
        middle = float(mean.mean())
        log = np.log(size / len(values))[:, None] - 0.5 * (
            (values - mean[:, None]) ** 2 / spread[:, None] + np.log(spread)[:, None]
        )
        weight = np.exp(log - log.max(0))
        weight /= weight.sum(0)
    return float(mean.mean())


def without_orphans(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Foreground pixels with at least one foreground neighbour among their eight."""
    neighbours = ndimage.convolve(mask.astype(np.uint8), _EIGHT.astype(np.uint8), mode="constant") - mask
    return np.asarray(mask & (neighbours > 0))
