"""Metrics where several readers drew different truths: the expectation over readers, not over a fused one.

Stutz et al., arXiv 2307.02191: E[metric] = mean over draws of metric(prediction, truth of a drawn reader).
For boxes a draw takes one reader per sample. Knows no metric: scores against each reader are given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foveate.evals.metrics.boxes import Boxes, iou_matrix
from foveate.evals.metrics.matching import matched_mean

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Expected:
    """The expected metric with the interval that the choice of readers alone spans (not sampling error)."""

    mean: float
    low: float
    high: float


def expected_mean(
    scores: Sequence[Sequence[float]], *, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> Expected:
    """Expected mean over samples; `scores[i][r]` is sample i's score against its reader r (one or more).

    The mean is exact (each sample's mean over its readers); the interval is over random readers.
    """
    arrays = [np.asarray(row, dtype=np.float64) for row in scores]
    if not arrays or not all(a.size and np.isfinite(a).all() for a in arrays):
        raise ValueError("every sample needs a finite score against at least one reader")
    rng = np.random.default_rng(seed)
    total = np.zeros(draws)
    for array in arrays:
        total += array[rng.integers(array.size, size=draws)]
    low, high = np.quantile(total / len(arrays), [(1 - level) / 2, (1 + level) / 2])
    return Expected(float(np.mean([a.mean() for a in arrays])), float(low), float(high))


def expected_statistic(
    statistic: Callable[[Indices], float],
    readers: Sequence[int],
    *,
    draws: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Expected:
    """As `expected_mean` for a metric that is no mean over samples (mAP): `statistic` is given each sample's
    drawn reader (n,), `readers[i]` is how many sample i has.
    """
    counts = np.asarray(readers, dtype=np.intp)
    if counts.size == 0 or (counts < 1).any():
        raise ValueError("every sample needs at least one reader")
    rng = np.random.default_rng(seed)
    values = np.array([statistic(rng.integers(counts)) for _ in range(draws)])
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Expected(float(values.mean()), float(low), float(high))


def disagreement(readers: Sequence[Boxes]) -> float:
    """1 - mean over pairs of readers of their matched IoU, in [0, 1]: 0 when all drew the same boxes.

    Two readers who both drew nothing agree. Sort samples by it to report strata. NaN with fewer than two.
    """
    pairs = [matched_mean(iou_matrix(a, b)) for index, a in enumerate(readers) for b in readers[index + 1 :]]
    return 1 - float(np.mean(pairs)) if pairs else float("nan")
