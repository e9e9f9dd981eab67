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
Floats = npt.NDArray[np.float64]
HIT_DICE = 0.1
INSTANCE_DICE = 0.2
LEAST_VOXELS = 10
MOST_INSTANCES = 50


def dice(predicted: Mask, truth: Mask) -> float:
    """2 |A and B| / (|A| + |B|) of two masks of one shape; 1.0 when both are empty."""
    _same_shape(predicted, truth)
    total = int(np.count_nonzero(predicted)) + int(np.count_nonzero(truth))
    return 1.0 if total == 0 else 2 * int(np.count_nonzero(predicted & truth)) / total


def hit(predicted: Mask, truth: Mask, least: float = HIT_DICE) -> bool:
    """ReXGroundingCT's Hit: whether Dice >= 0.1."""
    return dice(predicted, truth) >= least


def dice_table(predicted: LabelMap, truth: LabelMap) -> Floats:
    """Dice of each predicted with each true instance -> (predicted, true); 0 is background in both maps."""
    _same_shape(predicted, truth)
    either = (predicted != 0) | (truth != 0)  # most of a volume is neither, and sorting is dear
    given, given_at = np.unique(predicted[either], return_inverse=True)
    wanted, wanted_at = np.unique(truth[either], return_inverse=True)
    pair = given_at.ravel() * wanted.size + wanted_at.ravel()
    shared = np.bincount(pair, minlength=given.size * wanted.size).reshape(given.size, wanted.size)
    sizes = shared.sum(axis=1)[:, None] + shared.sum(axis=0)[None, :]
    return np.asarray((2 * shared / np.maximum(sizes, 1))[np.ix_(given != 0, wanted != 0)])


def predicted_instances(mask: Mask, least: int = LEAST_VOXELS, most: int = MOST_INSTANCES) -> LabelMap:
    """A predicted 3-D mask's instances, numbered from 1, as ReXGroundingCT's evaluator makes them.

    Parts that touch at a face or an edge are one instance; parts of fewer than `least` voxels are left out,
    and of more than `most` parts the largest are kept.
    """
    from scipy import ndimage  # slow to import, and not needed to list tasks

    found = np.zeros(mask.shape, np.int32)
    window = _bounds(mask)
    parts, count = ndimage.label(mask[window], structure=ndimage.generate_binary_structure(mask.ndim, 2))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    ranked = np.argsort(-sizes, kind="stable")[:most]
    kept = np.sort(ranked[sizes[ranked] >= least]) + 1
    numbers = np.zeros(count + 1, np.int32)
    numbers[kept] = np.arange(1, kept.size + 1)
    found[window] = numbers[parts]
    return found


def instance_counts(predicted: LabelMap, truth: LabelMap, least: float = INSTANCE_DICE) -> Counts:
    """Instance precision, recall and F1: Hungarian matching on Dice, a true positive has Dice >= 0.2.

    ReXGroundingCT's instance metric, whose evaluator matches greedily where this takes the best pairing. Maps
    of integers, one value per instance, 0 for background. Add the counts of cases for a micro average.
    """
    return count_matches(dice_table(predicted, truth), least)


def _bounds(mask: Mask) -> tuple[slice, ...]:
    """The smallest block that holds the mask; an empty one for an empty mask."""
    axes = range(mask.ndim)
    held = [np.flatnonzero(mask.any(axis=tuple(a for a in axes if a != axis))) for axis in axes]
    return tuple(slice(int(h[0]), int(h[-1]) + 1) if h.size else slice(0, 0) for h in held)


def _same_shape(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
    if a.shape != b.shape:
        raise ValueError(f"the prediction has shape {a.shape} and the truth {b.shape}: they must be the same")
