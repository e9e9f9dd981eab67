"""The RSNA Pneumonia Detection Challenge's score.

Kaggle, 2018: per image the mean over IoU thresholds .40, .45, ... .75 of TP / (TP + FP + FN), boxes matched
greedily in order of confidence; a hit needs IoU above the threshold. Images with neither boxes nor
predictions are left out; predictions on an image without boxes score 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from foveate.evals.metrics.boxes import Boxes, iou_matrix

THRESHOLDS = tuple(round(0.40 + 0.05 * step, 2) for step in range(8))


def rsna_image_score(
    predicted: Boxes, confidences: Sequence[float], truth: Boxes, thresholds: Sequence[float] = THRESHOLDS
) -> float | None:
    """Score of one image in [0, 1]; None when there is nothing to find and nothing was predicted."""
    overlaps = iou_matrix(predicted, truth)
    given, wanted = overlaps.shape
    if len(confidences) != given:
        raise ValueError(f"{given} boxes need as many confidences, not {len(confidences)}")
    if given == 0 and wanted == 0:
        return None
    order = np.argsort(-np.asarray(confidences, dtype=np.float64), kind="stable")
    hits = [_greedy_hits(overlaps[order], threshold) for threshold in thresholds]
    return float(np.mean([hit / (given + wanted - hit) for hit in hits]))


def rsna_score(scores: Sequence[float | None]) -> float:
    """Mean of `rsna_image_score` over the images that have one; NaN when none has."""
    counted = [score for score in scores if score is not None]
    return float(np.mean(counted)) if counted else float("nan")


def _greedy_hits(overlaps: npt.NDArray[np.float64], threshold: float) -> int:
    """Rows come in order of confidence; each takes the free column it overlaps most above the threshold."""
    free = np.ones(overlaps.shape[1], dtype=bool)
    for row in overlaps:
        candidates = np.where(free & (row > threshold), row, -1.0)
        if candidates.size and candidates.max() > 0:
            free[int(candidates.argmax())] = False
    return int((~free).sum())
