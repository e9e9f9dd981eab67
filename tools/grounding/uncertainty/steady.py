"""How much a box depends on where its heat map is cut: a map with steep edges gives one box at every level.

For maps on a fixed scale only: on one that merely ranks a level means nothing. Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foveate.tools.grounding.heatmap import heat_regions
from foveate.tools.grounding.uncertainty.agreement import Corners, agree_on
from foveate.tools.grounding.uncertainty.choose import Heat

LEVELS = (-1.5, -0.75, 0.0, 0.75, 1.5)
"""Logits at which the maps are cut: probabilities of 0.18 to 0.82."""


def steadiness(heats: Sequence[Heat]) -> float:
    """Mean over maps (h, w) of probabilities of the consensus of the boxes at all levels, times the share of
    levels that have one; in [0, 1], 0 without a map."""
    return float(np.mean([_steady(heat) for heat in heats])) if len(heats) else 0.0


def _steady(heat: Heat) -> float:
    shares = np.clip(np.asarray(heat, dtype=np.float64), 1e-6, 1 - 1e-6)
    logits = np.log(shares / (1 - shares))
    boxes: list[Corners | None] = []
    for level in LEVELS:
        found = heat_regions(logits, "union", level)
        boxes.append(found[0].corners if found else None)
    agreed = agree_on(boxes)
    return agreed.consensus * (1 - agreed.miss_rate)
