"""Scores a grounder's heat map against true boxes, and averages over findings as the papers do.

The map is read from its file when its reading is scored, long after it was written. It is measured at its
own resolution: a box covers the map's pixels whose centres it holds, and always the one at its own centre.
Samples without a map count as 0 where others have one. Knows no grounder and no benchmark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from foveate.evals.contract.answers import HeatMap, Reading
from foveate.evals.contract.questions import Corners, Question, Target
from foveate.evals.contract.tasks import Judge, Metric, Scored
from foveate.evals.metrics import heatmaps
from foveate.evals.scoring import kinds

PRESENT = "miou_heat"
"""The value that every sample with a heat map and something to find has."""


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """The values of boxes and, where there is a heat map, its own."""
    return {**kinds.score(question, reading, target), **score_heat(reading, target)}


def score_heat(reading: Reading, target: Target) -> Mapping[str, float]:
    """`miou_heat`, `cnr` (signed, union of boxes), `cnr_abs` (mean of the boxes'), `auc_roc` and `pointing`.

    Empty without a map, or without a true box on its slice. A contrast without any noise is infinite, and an
    area or contrast of one side alone is not defined: those values are left out.
    """
    heat = reading.heatmap
    if heat is None:
        return {}
    place = heat.image, heat.slice_index
    boxes = [r.box for r in target.regions if (r.image, r.slice_index) == place and r.slice_stop is None]
    if not boxes:
        return {}
    values = np.load(heat.file)["heat"]
    inside = [_box_mask(box, heat, values.shape) for box in boxes]
    union = np.logical_or.reduce(inside)
    found = {
        PRESENT: heatmaps.threshold_miou(values, union),
        "cnr": heatmaps.cnr_union(values, union),
        "cnr_abs": float(np.mean([abs(heatmaps.cnr(values, mask)) for mask in inside])),
        "auc_roc": heatmaps.auc_roc(values, union),
        "pointing": float(heatmaps.pointing_game(values, union)),
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _box_mask(box: Corners, heat: HeatMap, shape: tuple[int, ...]) -> heatmaps.Mask:
    """A box of source pixels on the map's grid."""
    (height, width), (left, top, right, bottom) = shape, heat.extent
    x0, x1 = ((x - left) * width / (right - left) for x in box[::2])
    y0, y1 = ((y - top) * height / (bottom - top) for y in box[1::2])
    mask = heatmaps.mask_of_boxes([(x0, y0, x1, y1)], height, width)
    mask[min(int((y0 + y1) / 2), height - 1), min(int((x0 + x1) / 2), width - 1)] = True
    return mask


def heat_metrics(by: str = "finding") -> tuple[Metric, ...]:
    """The rows of a heat map's scores: means over the findings' means, a finding being what `by` filters."""
    told = {
        PRESENT: "IoU of {map > t}, min-max scaled, mean over t of .1 to .5",
        "cnr": "signed contrast-to-noise of the boxes' union",
        "cnr_abs": "absolute contrast-to-noise, mean over boxes",
        "auc_roc": "exact area under the ROC curve, inside against outside",
        "pointing": "the highest pixel lies in a box",
    }
    return tuple(
        Metric(name, _macro(name, by), official=True, meaning=f"heat map of the grounder alone: {meaning}")
        for name, meaning in told.items()
    )


def _macro(name: str, by: str) -> Callable[[Sequence[Scored]], float]:
    def over(samples: Sequence[Scored]) -> float:
        if not any(PRESENT in sample.values for sample in samples):
            return float("nan")
        groups: dict[str, list[float]] = {}
        for sample in samples:
            value = _counted(sample, name)
            if value is not None:
                groups.setdefault(sample.filters[by], []).append(value)
        means = [float(np.mean(values)) for values in groups.values()]
        return float(np.mean(means)) if means else float("nan")

    return over


def _counted(sample: Scored, name: str) -> float | None:
    """The value; 0 for a sample that should have a map and has none; None where it is not defined."""
    if not sample.target.regions:
        return None
    return sample.values.get(name) if PRESENT in sample.values else 0.0
