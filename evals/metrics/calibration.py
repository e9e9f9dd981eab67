"""Whether a stated confidence is the share of times it is right: ECE, Brier score, reliability table.

Answers without a stated confidence have no place here: leave them out and say how many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = Sequence[float] | npt.NDArray[np.floating[Any]]
Flags = Sequence[bool] | npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Reliability:
    """Per equal-width bin of confidence: answers, their mean confidence and accuracy (NaN if none)."""

    edges: Floats
    counts: npt.NDArray[np.intp]
    confidence: Floats
    accuracy: Floats


def reliability(confidence: Numbers, correct: Flags, bins: int = 15) -> Reliability:
    """Answers by confidence in [0, 1]; bins are [low, high), the last one closed."""
    stated, right = _checked(confidence, correct)
    edges = np.linspace(0, 1, bins + 1)
    at = np.clip(np.searchsorted(edges, stated, side="right") - 1, 0, bins - 1)
    counts = np.bincount(at, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(at, weights=v, minlength=bins) / counts for v in (stated, right)]
    return Reliability(edges, counts, means[0], means[1])


def expected_calibration_error(confidence: Numbers, correct: Flags, bins: int = 15) -> float:
    """ECE: mean over answers of |accuracy - confidence| of their bin. Guo et al., arXiv 1706.04599."""
    table = reliability(confidence, correct, bins)
    held = table.counts > 0
    gaps = np.abs(table.accuracy[held] - table.confidence[held])
    return float((gaps * table.counts[held]).sum() / table.counts.sum())


def brier_score(confidence: Numbers, correct: Flags) -> float:
    """Mean of (confidence - correct)^2, in [0, 1], lower is better. Brier, 1950."""
    stated, right = _checked(confidence, correct)
    return float(((stated - right) ** 2).mean())


def _checked(confidence: Numbers, correct: Flags) -> tuple[Floats, Floats]:
    stated = np.asarray(confidence, dtype=np.float64)
    right = np.asarray(correct, dtype=bool).astype(np.float64)
    if stated.ndim != 1 or stated.shape != right.shape or stated.size == 0:
        raise ValueError("calibration needs one or more confidences and as many outcomes")
    if not ((stated >= 0) & (stated <= 1)).all():
        raise ValueError("a confidence must lie in [0, 1]")
    return stated, right
