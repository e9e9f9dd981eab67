"""Overlap of axis-aligned boxes in two or three dimensions, and the box metrics that rest on it alone.

A box is its low corner and then its high corner: (x0, y0, x1, y1) or (x0, y0, z0, x1, y1, z1), in continuous
edge coordinates of one frame (pixels or millimetres; the unit cancels). An empty, reversed or non-finite box
is a ValueError, never repaired. Knows no image size and no convention of any model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Boxes = Sequence[Sequence[float]] | npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class LabelledBoxes:
    """The boxes of one image (n, 4) as (x0, y0, x1, y1) in pixels, and their class numbers (n,) from 0."""

    boxes: Sequence[Sequence[float]]
    labels: Sequence[int]


def as_boxes(boxes: Boxes, dimensions: int = 2) -> Floats:
    """Boxes as a checked float64 array (n, 2 * dimensions); n may be 0."""
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.empty((0, 2 * dimensions))
    if array.ndim != 2 or array.shape[1] != 2 * dimensions:
        raise ValueError(f"boxes must have the shape (n, {2 * dimensions}), not {array.shape}")
    legal = np.isfinite(array).all(axis=1) & (array[:, dimensions:] > array[:, :dimensions]).all(axis=1)
    if not legal.all():
        first = int(np.argmin(legal))
        raise ValueError(f"box {first} is empty, reversed or not finite: {array[first].tolist()}")
    return array


def volumes(boxes: Floats) -> Floats:
    """Areas (or volumes) of checked boxes (n, 2d) -> (n,)."""
    half = boxes.shape[1] // 2
    return np.asarray(np.prod(boxes[:, half:] - boxes[:, :half], axis=1))


def intersections(a: Floats, b: Floats) -> Floats:
    """Shared area of each of a (n, 2d) with each of b (m, 2d) -> (n, m)."""
    half = a.shape[1] // 2
    low = np.maximum(a[:, None, :half], b[None, :, :half])
    high = np.minimum(a[:, None, half:], b[None, :, half:])
    return np.asarray(np.prod(np.maximum(high - low, 0.0), axis=2))


def iou_matrix(a: Boxes, b: Boxes, dimensions: int = 2) -> Floats:
    """Intersection over union of each of a with each of b -> (n, m) in [0, 1]."""
    first, second = as_boxes(a, dimensions), as_boxes(b, dimensions)
    shared = intersections(first, second)
    return np.asarray(shared / (volumes(first)[:, None] + volumes(second)[None, :] - shared))


def giou_matrix(a: Boxes, b: Boxes) -> Floats:
    """Generalised IoU, IoU - (hull - union) / hull, in (-1, 1]. Rezatofighi et al., arXiv 1902.09630."""
    first, second = as_boxes(a), as_boxes(b)
    shared = intersections(first, second)
    union = volumes(first)[:, None] + volumes(second)[None, :] - shared
    low = np.minimum(first[:, None, :2], second[None, :, :2])
    high = np.maximum(first[:, None, 2:], second[None, :, 2:])
    hull = np.prod(high - low, axis=2)
    return np.asarray(shared / union - (hull - union) / hull)


def box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    """IoU of two 2-D boxes (x0, y0, x1, y1)."""
    return float(iou_matrix([a], [b])[0, 0])


def box_giou(a: Sequence[float], b: Sequence[float]) -> float:
    """Generalised IoU of two 2-D boxes."""
    return float(giou_matrix([a], [b])[0, 0])


def box_iou_3d(a: Sequence[float], b: Sequence[float]) -> float:
    """IoU of two 3-D boxes (x0, y0, z0, x1, y1, z1)."""
    return float(iou_matrix([a], [b], dimensions=3)[0, 0])


def best_box_iou(predicted: Boxes, truth: Boxes, scores: Sequence[float] | None = None) -> float:
    """One sample's IoU: the prediction's own best box (highest score, else the first) with its nearest truth.

    The box is chosen by the prediction, never by its overlap with the truth: more boxes cannot help. 0.0
    without a predicted box. ValueError without truth: a sample with nothing to find has no IoU.
    """
    given, wanted = as_boxes(predicted), as_boxes(truth)
    if len(wanted) == 0:
        raise ValueError("box IoU needs a truth box; score absent findings as such")
    if len(given) == 0:
        return 0.0
    if scores is not None and len(scores) != len(given):
        raise ValueError(f"{len(given)} boxes need as many scores, not {len(scores)}")
    chosen = 0 if scores is None else int(np.argmax(np.asarray(scores)))
    return float(iou_matrix(given[chosen : chosen + 1], wanted).max())


def box_miou(ious: Sequence[float] | Floats) -> float:
    """`miou_box`: mean over samples of `best_box_iou` (MedRPG, uMedGround). Not `threshold_miou` or
    `fgbg_miou`.
    """
    return float(np.mean(_shares(ious)))


def acc_at(ious: Sequence[float] | Floats, threshold: float) -> float:
    """acc@threshold: share of samples with IoU >= threshold (papers also call it AP10, AP30, AP50)."""
    return float(np.mean(_shares(ious) >= threshold))


def _shares(ious: Sequence[float] | Floats) -> Floats:
    array = np.asarray(ious, dtype=np.float64)
    if array.size == 0 or not ((array >= 0) & (array <= 1)).all():
        raise ValueError("IoUs must be one or more numbers in [0, 1]")
    return array
