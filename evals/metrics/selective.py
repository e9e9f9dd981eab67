"""What is gained by not answering: risk against coverage.

El-Yaniv and Wiener, 2010; Geifman and El-Yaniv, arXiv 1705.08500. Risk is the mean loss of the answers that
are kept (loss 1 for a wrong answer, or 1 - IoU), coverage the share kept when answers are taken in order of
confidence. Answers of equal confidence are taken in no order: the curve is its mean over all orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = Sequence[float] | npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class RiskCoverage:
    """Risk (n,) at coverage (n,) = 1/n, 2/n, ... 1."""

    coverage: Floats
    risk: Floats


@dataclass(frozen=True)
class OperatingPoint:
    """Where a system that abstains by itself stands; `risk` is NaN when it answered nothing."""

    coverage: float
    risk: float


def risk_coverage(confidence: Numbers, loss: Numbers) -> RiskCoverage:
    """The curve for confidences (n,) and losses (n,), both finite, n >= 1."""
    stated, lost = np.asarray(confidence, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    if stated.ndim != 1 or stated.shape != lost.shape or stated.size == 0:
        raise ValueError("a risk-coverage curve needs one or more confidences and as many losses")
    if not (np.isfinite(stated).all() and np.isfinite(lost).all()):
        raise ValueError("confidences and losses must be finite")
    _, level = np.unique(-stated, return_inverse=True)
    means = np.bincount(level, weights=lost) / np.bincount(level)
    ordered = means[np.sort(level)]  # each answer bears its tie group's mean loss
    kept = np.arange(1, stated.size + 1)
    return RiskCoverage(kept / stated.size, np.cumsum(ordered) / kept)


def aurc(confidence: Numbers, loss: Numbers) -> float:
    """Area under the risk-coverage curve: mean risk over all coverages; lower is better."""
    return float(risk_coverage(confidence, loss).risk.mean())


def risk_at(curve: RiskCoverage, coverage: float) -> float:
    """Risk at the least coverage on the curve that is not below the one asked for, in (0, 1]."""
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage must lie in (0, 1], not {coverage}")
    # the tolerance keeps 3/10 >= 0.3 true in floating point
    return float(curve.risk[int(np.searchsorted(curve.coverage, coverage - 1e-12))])


def coverage_at(curve: RiskCoverage, risk: float) -> float:
    """The greatest coverage whose risk is at most the one asked for; 0.0 when there is none."""
    kept = curve.coverage[curve.risk <= risk]
    return float(kept.max()) if kept.size else 0.0


def operating_point(answered: Sequence[bool], loss: Numbers) -> OperatingPoint:
    """Coverage and risk of the system's own abstention; losses of abstentions are not read."""
    kept = np.asarray(answered, dtype=bool)
    lost = np.asarray(loss, dtype=np.float64)
    if kept.shape != lost.shape or kept.ndim != 1 or kept.size == 0:
        raise ValueError("an operating point needs one or more outcomes and as many losses")
    return OperatingPoint(float(kept.mean()), float(lost[kept].mean()) if kept.any() else float("nan"))
