"""Which box to give: of all that the hypotheses propose, the one that agrees with most and lies on the heat.

Proposals scored by a map (GroundVLP, arXiv 2312.15043) where one of the grounders only ranks: its boxes are
loose, but its map tells good boxes of the others from bad ones. Knows numbers only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from foveate.tools.grounding.fusion import Floats, overlap
from foveate.tools.grounding.proposals import heat_scores
from foveate.tools.grounding.uncertainty.agreement import Agreement, Corners

Heat = npt.NDArray[np.floating[Any]]
Place = Callable[[float, float, float, float], Corners]


def choose(
    boxes: Sequence[Corners | None],
    weights: Sequence[float],
    agreed: Agreement,
    heats: Sequence[Heat],
    place: Place,
    trust: float,
) -> Corners | None:
    """Of `boxes` and `agreed.box`, the one with the highest sum of two: its weighted mean IoU with all boxes,
    and `trust` times its w·ΣH/√area on the maps as a share of the best one's. None where there is no box.

    `heats`: maps (h, w); `place` brings a box into their pixels.
    """
    found = [(box, w) for box, w in zip(boxes, weights, strict=True) if box is not None]
    if agreed.box is None or not found:
        return None
    # sorted, so that of two equal ones the same is taken in whatever order they came
    candidates = sorted({box for box, _ in found} | {agreed.box})
    every, each = np.array([b for b, _ in found], dtype=np.float64), np.array([w for _, w in found])
    score = np.array([np.average(overlap(every, np.array(box)), weights=each) for box in candidates])
    placed = [place(*box) for box in candidates]
    for heat in heats:
        score += trust / len(heats) * _shares(heat, placed)
    return candidates[int(np.argmax(score))]


def _shares(heat: Heat, boxes: Sequence[Corners]) -> Floats:
    scores = heat_scores(heat, boxes, [1.0] * len(boxes))
    return np.asarray(scores / max(float(scores.max()), 1e-9))
