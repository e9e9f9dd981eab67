"""Similarity maps → presence and boxes. Knows nothing of models, phrases or views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Kind = Literal["one", "union", "several"]
Corners = tuple[float, float, float, float]
PEAK_PIXELS = 8
# How much of the heaviest component's mass another one needs to be kept: specks are no part of an organ,
# but a rib cage or a colon is many small parts.
KEEP: dict[Kind, float] = {"one": 0.25, "union": 0.06, "several": 0.2}


@dataclass(frozen=True)
class HeatRegion:
    """A box in the map's pixels (edges, x0 y0 x1 y1) and the mean of the highest logits inside."""

    corners: Corners
    peak: float


def peak_score(logits: npt.NDArray[Any], pixels: int = PEAK_PIXELS) -> float:
    """Mean of the highest few logits of a map: one number that says whether anything is there."""
    flat = logits.ravel()
    count = min(pixels, flat.size)
    return float(np.partition(flat, flat.size - count)[-count:].mean())


def heat_regions(
    logits: npt.NDArray[Any], kind: Kind, cut: float = 0.0, pixels: int = PEAK_PIXELS
) -> list[HeatRegion]:
    """Boxes round what lies above `cut` in a map (h, w) of logits, heaviest first.

    "one" and "union" give at most one box, round all components that weigh enough; "several" gives one
    for each.
    """
    labels, count = ndimage.label(logits > cut, structure=np.ones((3, 3)))
    if not count:
        return []
    numbers = np.arange(1, count + 1)
    mass = np.asarray(ndimage.sum_labels(1 / (1 + np.exp(-np.clip(logits, -30, 30))), labels, numbers))
    kept = [
        int(n) for n in numbers[np.argsort(-mass, kind="stable")] if mass[n - 1] >= KEEP[kind] * mass.max()
    ]
    boxes = ndimage.find_objects(labels)
    groups = [[n] for n in kept] if kind == "several" else [kept]
    return [_region(logits, labels, boxes, group, pixels) for group in groups]


def _region(logits: Any, labels: Any, boxes: Any, group: list[int], pixels: int) -> HeatRegion:
    rows, cols = zip(*(boxes[n - 1] for n in group), strict=True)
    corners = (
        float(min(c.start for c in cols)), float(min(r.start for r in rows)),
        float(max(c.stop for c in cols)), float(max(r.stop for r in rows)),
    )  # fmt: skip
    return HeatRegion(corners, peak_score(logits[np.isin(labels, group)], pixels))
