"""Weighted box fusion: the boxes of several readers or models made one.

Solovyev et al., arXiv 1910.13302, as in the package `ensemble-boxes` 1.0.9 (conf_type "avg"), with which
values agree. That package is not used because it pulls numba, llvmlite and pandas for these few lines.
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
class Fused:
    """Fused boxes (n, 4), best first, with their scores (n,) and how many boxes each was made of (n,)."""

    boxes: Floats
    scores: Floats
    members: npt.NDArray[np.intp]


def weighted_box_fusion(
    sources: Sequence[Boxes], scores: Sequence[Sequence[float]] | None = None, iou_threshold: float = 0.55
) -> Fused:
    """Fuses boxes of one label from several sources (readers or models), each with its scores (1.0 without).

    In order of score each box joins the cluster whose fused box it overlaps most, if by IoU above the
    threshold, or opens one; a fused box is the score-weighted mean of its members, its score their mean times
    min(members, sources) / sources. VinDr-CXR's readers are fused with a threshold of 0.1 (RadVLM).
    """
    boxes, weights = _flat(sources, scores)
    clusters: list[list[int]] = []
    fused: list[Floats] = []
    for index in np.argsort(-weights, kind="stable"):
        best = _nearest(fused, boxes[index], iou_threshold)
        if best is None:
            clusters.append([int(index)])
            fused.append(boxes[index])
        else:
            clusters[best].append(int(index))
            fused[best] = np.average(boxes[clusters[best]], axis=0, weights=weights[clusters[best]])
    return _ordered(fused, [weights[c] for c in clusters], len(sources))


def overlap(boxes: Floats, box: Floats) -> Floats:
    """Intersection over union of each of `boxes` (n, 4) with one box (4,) -> (n,)."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    shared = np.maximum(sides, 0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return np.asarray(shared / (areas - shared))


def _checked(boxes: Boxes) -> Floats:
    array = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    if not (np.isfinite(array).all() and (array[:, 2:] > array[:, :2]).all()):
        raise ValueError("a box is empty, reversed or not finite")
    return array


def _flat(sources: Sequence[Boxes], scores: Sequence[Sequence[float]] | None) -> tuple[Floats, Floats]:
    arrays = [_checked(source) for source in sources]
    given = [np.ones(len(a)) for a in arrays] if scores is None else [np.asarray(s, float) for s in scores]
    if [len(a) for a in arrays] != [len(s) for s in given]:
        raise ValueError("every box of every source needs a score")
    if not arrays:
        raise ValueError("weighted box fusion needs at least one source")
    weights = np.concatenate(given)
    if not ((weights > 0) & np.isfinite(weights)).all():
        raise ValueError("scores must be positive and finite: they are the weights")
    return np.concatenate(arrays), weights


def _nearest(fused: list[Floats], box: Floats, threshold: float) -> int | None:
    if not fused:
        return None
    overlaps = overlap(np.array(fused), box)
    best = int(overlaps.argmax())
    return best if overlaps[best] > threshold else None


def _ordered(fused: list[Floats], weights: list[Floats], sources: int) -> Fused:
    members = np.array([len(w) for w in weights], dtype=np.intp)
    scores = np.array([w.mean() * min(len(w), sources) / sources for w in weights], dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    return Fused(_checked(np.array(fused))[order], scores[order], members[order])
