"""Overlap of segmentations: Dice, hit rate, instances. Masks of any number of dimensions.

Knows nothing of voxel size: Dice and instances are counted in voxels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from foveate.evals.metrics.matching import Counts, count_matches

Mask = npt.NDArray[np.bool_]
LabelMap = npt.NDArray[np.integer[Any]]
HIT_DICE = 0.1
INSTANCE_DICE = 0.2


def dice(predicted: Mask, truth: Mask) -> float:
    """2 |A and B| / (|A| + |B|) of two masks of one shape; 1.0 when both are empty."""
    _same_shape(predicted, truth)
    total = int(np.count_nonzero(predicted)) + int(np.count_nonzero(truth))
    return 1.0 if total == 0 else 2 * int(np.count_nonzero(predicted & truth)) / total


def hit(predicted: Mask, truth: Mask, least: float = HIT_DICE) -> bool:
    """ReXGroundingCT's Hit: whether Dice >= 0.1."""
    return dice(predicted, truth) >= least


def dice_table(predicted: LabelMap, truth: LabelMap) -> npt.NDArray[np.float64]:
    """Dice of each predicted with each true instance -> (predicted, true); 0 is background in both maps."""
    _same_shape(predicted, truth)
    given, given_at = np.unique(predicted, return_inverse=True)
    wanted, wanted_at = np.unique(truth, return_inverse=True)
    pair = given_at.ravel() * wanted.size + wanted_at.ravel()
    shared = np.bincount(pair, minlength=given.size * wanted.size).reshape(given.size, wanted.size)
    sizes = shared.sum(axis=1)[:, None] + shared.sum(axis=0)[None, :]
    return np.asarray((2 * shared / sizes)[np.ix_(given != 0, wanted != 0)])


def instance_counts(predicted: LabelMap, truth: LabelMap, least: float = INSTANCE_DICE) -> Counts:
    """Instance precision, recall and F1: Hungarian matching on Dice, a true positive has Dice >= 0.2.

    ReXGroundingCT's instance metric. Maps of integers, one value per instance, 0 for background. Add the
    counts of cases for a micro average.
    """
    return count_matches(dice_table(predicted, truth), least)


def _same_shape(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
    if a.shape != b.shape:
        raise ValueError(f"the prediction has shape {a.shape} and the truth {b.shape}: they must be the same")
