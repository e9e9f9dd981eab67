"""How much several boxes for one thing agree. Knows numbers only.

Consensus is the mean IoU of all pairs, the spread is the variance of coordinates (as in
uMedGround), in units of the box itself, so that neither depends on how large the image is; a hypothesis may
also have no box. Every hypothesis has a weight: what its grounder is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foveate.tools.grounding.fusion import Floats, overlap, weighted_box_fusion

Corners = tuple[float, float, float, float]
JOIN_IOU = 0.4
"""Boxes that overlap the fused box more than this are of one opinion."""


@dataclass(frozen=True)
class Agreement:
    """What hypotheses have in common. `box` is the weighted mean of the largest group that overlaps; None
    when no hypothesis has a box. `consensus` in [0, 1]: mean IoU of pairs; `variance` >= 0, in squared box
    sizes; `miss_rate` and `support` in [0, 1]: the shares without a box, and in the box's group.
    """

    box: Corners | None
    consensus: float
    variance: float
    miss_rate: float
    support: float
    count: int


def agree_on(boxes: Sequence[Corners | None], weights: Sequence[float] | None = None) -> Agreement:
    """Boxes (x0, y0, x1, y1) of one frame, None where a hypothesis has none; their weights are all 1 without.

    The order does not matter. With one box left, its consensus is 1 and its variance 0: `miss_rate` tells the
    rest; with none, consensus 0. Raises ValueError without hypotheses, for weights that are no weights and
    for boxes that are none.
    """
    given = np.ones(len(boxes)) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(given) != len(boxes) or not len(boxes):
        raise ValueError(f"{len(boxes)} hypotheses need as many weights, not {len(given)}, and at least one")
    if not ((given > 0) & np.isfinite(given)).all():
        raise ValueError("the weight of a hypothesis must be positive and finite")
    found = [(box, w) for box, w in zip(boxes, given.tolist(), strict=True) if box is not None]
    missed = 1 - sum(w for _, w in found) / float(given.sum())
    if not found:
        return Agreement(None, 0.0, 0.0, 1.0, 0.0, len(boxes))
    # in one order, whatever the order they came in: fusion takes boxes of equal weight as they come
    found.sort(key=lambda each: (-each[1], each[0]))
    array, each = np.array([b for b, _ in found], dtype=np.float64), np.array([w for _, w in found])
    box, support = _largest(array, each)
    corners = (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
    variance = _variance(array, each)
    return Agreement(corners, _consensus(array, each), variance, max(0.0, missed), support, len(boxes))


def _largest(boxes: Floats, weights: Floats) -> tuple[Floats, float]:
    """The fused box with the most weight behind it, and its share of the weight of all boxes."""
    fused = weighted_box_fusion([boxes], [weights.tolist()], JOIN_IOU)
    joined = [overlap(boxes, box) > JOIN_IOU for box in fused.boxes]
    behind = [float(weights[inside].sum()) for inside in joined]
    best = int(np.argmax(behind))
    return fused.boxes[best], behind[best] / float(weights.sum())


def _consensus(boxes: Floats, weights: Floats) -> float:
    """Mean IoU over pairs, each with the product of its weights."""
    if len(boxes) < 2:
        return 1.0
    shared = np.stack([overlap(boxes, box) for box in boxes])
    pairs = np.triu_indices(len(boxes), 1)
    return float(np.clip(np.average(shared[pairs], weights=np.outer(weights, weights)[pairs]), 0.0, 1.0))


def _variance(boxes: Floats, weights: Floats) -> float:
    """Mean over the four coordinates of their weighted variance, in widths and heights of the mean box."""
    mean = np.average(boxes, axis=0, weights=weights)
    size = np.tile(mean[2:] - mean[:2], 2)
    return float(np.average(((boxes - mean) / size) ** 2, axis=0, weights=weights).mean())
