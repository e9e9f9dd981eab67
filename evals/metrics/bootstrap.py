"""Intervals and paired tests for metrics, by resampling whole clusters (patients, volumes).

Percentile bootstrap (Efron, 1979), bias-corrected where repeats shift a statistic; seeded, so that a number
in a report can be had again. Samples of one patient are not independent: give `clusters`, or the interval is
too narrow. Knows no metric.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
DRAWS = 2000


@dataclass(frozen=True)
class Interval:
    """An estimate on all samples with its `level` interval; `clusters` is what was resampled.

    `bias` is how far the mean of the resamples lies above the estimate, `spread` their standard deviation.
    """

    estimate: float
    low: float
    high: float
    level: float
    samples: int
    clusters: int
    bias: float = 0.0
    spread: float = 0.0

    @property
    def biased(self) -> bool:
        """Whether resampling shifts the statistic by more than a quarter of its spread (Efron and Tibshirani,
        1993, 10.3)."""
        return abs(self.bias) > 0.25 * self.spread


@dataclass(frozen=True)
class Difference:
    """The paired difference A - B. `p_value` is two-sided: the share of resamples beyond zero, doubled."""

    interval: Interval
    p_value: float


def bootstrap_mean(
    values: Sequence[float] | Floats,
    clusters: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean over samples with a percentile interval; clusters are drawn whole, with replacement.

    `values` (n,) must be finite: decide first what an undefined metric counts. `clusters` (n,) names each
    sample's patient or volume; None takes every sample as its own.
    """
    array = _finite(values)
    groups = _groups(clusters, array.size)
    means = _mean_draws(array, groups, draws, seed)
    return _interval(float(array.mean()), means, level, array.size, int(groups.max()) + 1)


def bootstrap_statistic(
    statistic: Callable[[Indices], float],
    samples: int,
    clusters: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
    correct: bool = True,
) -> Interval:
    """As `bootstrap_mean` for a metric that is no mean over samples (mAP, AURC, MCC, macro means).

    `statistic` is given sample indices (with repeats) and may return NaN for a draw in which it is not
    defined; such draws are left out. ValueError when that is all of them. Repeats shift some statistics
    (average precision rises): the interval is the bias-corrected percentile one (Efron, 1981), which moves
    both ends by twice the share of resamples that lie below the estimate, in normal quantiles. It is the
    plain one where half of them do, or without `correct`.
    """
    groups = _groups(clusters, samples)
    members = _members(groups)
    rng = np.random.default_rng(seed)
    values = np.array(
        [
            statistic(np.concatenate([members[k] for k in rng.integers(len(members), size=len(members))]))
            for _ in range(draws)
        ]
    )
    defined = values[~np.isnan(values)]
    if defined.size == 0:
        raise ValueError("the statistic is undefined (NaN) in every resample")
    made = _corrected if correct else _interval
    return made(statistic(np.arange(samples)), defined, level, samples, len(members))


def paired_bootstrap(
    a: Sequence[float] | Floats,
    b: Sequence[float] | Floats,
    clusters: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Mean of a - b on the same samples with its interval and a two-sided bootstrap p-value.

    p = min(1, 2 min(#{d <= 0} + 1, #{d >= 0} + 1) / (draws + 1)), never 0 (Davison and Hinkley, 1997, 4.2).
    ValueError when the two are not of one length.
    """
    first, second = _finite(a), _finite(b)
    if first.size != second.size:
        raise ValueError(f"paired values must be of one length, not {first.size} and {second.size}")
    delta = first - second
    groups = _groups(clusters, delta.size)
    means = _mean_draws(delta, groups, draws, seed)
    interval = _interval(float(delta.mean()), means, level, delta.size, int(groups.max()) + 1)
    beyond = min(int(np.count_nonzero(means <= 0)), int(np.count_nonzero(means >= 0)))
    return Difference(interval, min(1.0, 2 * (beyond + 1) / (draws + 1)))


def mcnemar_exact(a: Sequence[bool], b: Sequence[bool]) -> float:
    """Two-sided exact p-value that A and B are right equally often, from the samples on which they differ.

    McNemar (1947) with the binomial distribution. 1.0 when they never differ.
    """
    if len(a) != len(b):
        raise ValueError(f"paired outcomes must be of one length, not {len(a)} and {len(b)}")
    from scipy.stats import binomtest  # slow to import, and not needed to list tasks

    only_a = sum(1 for x, y in zip(a, b, strict=True) if x and not y)
    only_b = sum(1 for x, y in zip(a, b, strict=True) if y and not x)
    return 1.0 if only_a + only_b == 0 else float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def wilson_interval(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson, 1927); right near 0 and 1, where the normal one fails."""
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} of {trials} is no proportion")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / trials
    denominator = 1 + z**2 / trials
    centre = (share + z**2 / (2 * trials)) / denominator
    half = z * sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / denominator
    # The bounds meet 0 and 1 exactly in theory; rounding must not carry them past.
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == trials else centre + half)


def _finite(values: Sequence[float] | Floats) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError("a bootstrap needs one or more values in one dimension")
    if not np.isfinite(array).all():
        raise ValueError(f"value {int(np.argmin(np.isfinite(array)))} is not finite")
    return array


def _groups(clusters: Sequence[Hashable] | None, samples: int) -> Indices:
    """Cluster numbers 0.. in order of first appearance, one per sample."""
    if samples < 1:
        raise ValueError("a bootstrap needs one or more samples")
    if clusters is None:
        return np.arange(samples)
    if len(clusters) != samples:
        raise ValueError(f"{samples} samples need as many cluster names, not {len(clusters)}")
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(name, len(number)) for name in clusters], dtype=np.intp)


def _members(groups: Indices) -> list[Indices]:
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.cumsum(np.bincount(groups))[:-1])


def _mean_draws(values: Floats, groups: Indices, draws: int, seed: int) -> Floats:
    """Means of `draws` resamples from the totals and sizes of clusters, so that no sample is copied."""
    totals, sizes = np.bincount(groups, weights=values), np.bincount(groups)
    rng = np.random.default_rng(seed)
    rows = max(1, 1_000_000 // totals.size)  # some megabytes at a time, however many clusters there are
    means = []
    for start in range(0, draws, rows):
        drawn = rng.integers(totals.size, size=(min(rows, draws - start), totals.size))
        means.append(totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(means)


def _corrected(estimate: float, values: Floats, level: float, samples: int, clusters: int) -> Interval:
    """The bias-corrected percentile interval, with the bias that it corrects."""
    plain = _interval(estimate, values, level, samples, clusters)
    normal, below = NormalDist(), float(np.mean(values < estimate) + np.mean(values == estimate) / 2)
    # with all resamples on one side the shift is not finite: one more on the other side is assumed
    edge = 1 / (2 * values.size)
    shift = 2 * normal.inv_cdf(min(max(below, edge), 1 - edge))
    ends = [normal.cdf(shift + normal.inv_cdf(share)) for share in ((1 - level) / 2, (1 + level) / 2)]
    low, high = np.quantile(values, ends)
    bias, spread = float(values.mean() - estimate), float(values.std())
    return replace(plain, low=float(low), high=float(high), bias=bias, spread=spread)


def _interval(estimate: float, values: Floats, level: float, samples: int, clusters: int) -> Interval:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high), level, samples, clusters)
