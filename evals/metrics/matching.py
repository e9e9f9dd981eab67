"""Pairs predicted with true objects, one to one, and counts what is left over.

The Hungarian method on a table of overlaps. Knows neither boxes nor masks: any overlap in [0, 1] will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """True and false positives and misses of objects. `precision` is NaN without predictions, `recall` NaN
    without truth, `f1` NaN without either.
    """

    true_positives: int
    false_positives: int
    misses: int

    @property
    def precision(self) -> float:
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        return _ratio(self.true_positives, self.true_positives + self.misses)

    @property
    def f1(self) -> float:
        return _ratio(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.misses)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.misses + other.misses,
        )


def match(overlaps: Floats, least: float = 0.0) -> tuple[tuple[int, int], ...]:
    """One-to-one pairs (predicted, true) with the greatest sum of overlaps, each >= least and > 0.

    `overlaps` is (predicted, true) in [0, 1]. Pairs below `least` are worth nothing, so that they cannot
    displace a pair that counts.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, and not needed to list tasks

    table = np.where((overlaps >= least) & (overlaps > 0), overlaps, 0.0)
    rows, cols = linear_sum_assignment(table, maximize=True)
    return tuple((int(r), int(c)) for r, c in zip(rows, cols, strict=True) if table[r, c] > 0)


def count_matches(overlaps: Floats, least: float) -> Counts:
    """Instance counts: a true positive is a matched pair with overlap >= least."""
    hits = len(match(overlaps, least))
    predicted, truth = overlaps.shape
    return Counts(hits, predicted - hits, truth - hits)


def matched_mean(overlaps: Floats) -> float:
    """Sum of matched overlaps over max(predicted, true): 1 only for the same set, lower for every extra box.

    1.0 when both are empty. Cannot be raised by spraying: a box more adds at most what it overlaps, and
    divides all by one more.
    """
    largest = max(overlaps.shape)
    return 1.0 if largest == 0 else float(sum(overlaps[pair] for pair in match(overlaps))) / largest


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else nan
