"""How well a score separates right from wrong: the exact area under the ROC curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def auroc(
    scores: Sequence[float] | npt.NDArray[np.floating[Any]], positive: Sequence[bool] | npt.NDArray[np.bool_]
) -> float:
    """Area under the ROC curve of `scores` (n,) for `positive` (n,); tied scores count one half.

    The Mann-Whitney statistic U / (n+ n-) by midranks (Hanley and McNeil, 1982). NaN when all are of one
    kind. For "does uncertainty find the misses" give the uncertainty and IoU < 0.5.
    """
    from scipy.stats import rankdata  # slow to import, and not needed to list tasks

    values, labels = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    if values.shape != labels.shape or values.ndim != 1 or np.isnan(values).any():
        raise ValueError("AUROC needs as many scores as labels in one dimension, none of them NaN")
    ones = int(np.count_nonzero(labels))
    zeros = labels.size - ones
    if ones == 0 or zeros == 0:
        return float("nan")
    return (float(rankdata(values)[labels].sum()) - ones * (ones + 1) / 2) / (ones * zeros)
