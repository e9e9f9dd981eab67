"""Fits the uncertainty of `sure(pocket+diffusion)` on held-out slices of A and B: logistic regression with a
ridge, tested on each block by what was fitted on the others. Knows numbers and cases, no image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from foveate.evals.metrics.calibration import brier_score
from foveate.evals.metrics.ranking import auroc
from foveate.pocket.evaluate_locator import Corners, box_iou
from foveate.pocket.uncertainty_cases import HEAT, SURE, WEIGHTS, Case
from foveate.tools.grounding.uncertainty.score import Calibration

Floats = npt.NDArray[np.float64]
RIDGE, MOST, HIT = 1.0, 0.5, 0.5
FEATURES = ("consensus", "spread", "miss_rate", "score", "steady")
COMMAND = "python -m foveate.pocket.uncertainty_report --calibrate"


def iou_of(case: Case, how: str = SURE) -> float:
    """IoU of a combination's box with the true one; no box counts 0."""
    box: Corners | None = case.boxes[how]
    return 0.0 if box is None else box_iou(box, case.truth)


def calibrated(cases: Sequence[Case], names: Sequence[str]) -> Calibration:
    """The calibration of grounders of these names. Cases without any box have no part: none is given."""
    given, keys = with_box(cases), FEATURES
    x, hit = table_of(given, keys)
    tested = left_out(x, hit, [case.block for case in given])
    weights = fitted(x, hit)
    return Calibration(
        weights=dict(zip(names, WEIGHTS, strict=True)),
        heat=HEAT,
        offset=round(float(weights[0]), 5),
        slopes={key: round(float(w), 5) for key, w in zip(keys, weights[1:], strict=True)},
        most=MOST,
        cases=len(given),
        auroc=round(auroc(1 - tested, ~hit), 4),
        brier=round(brier_score(tested, hit), 4),
        command=COMMAND,
    )


def with_box(cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if case.boxes[SURE] is not None]


def table_of(cases: Sequence[Case], keys: Sequence[str]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """What the regression reads, (n, keys), and whether each box is a hit, (n,)."""
    x = np.array([[case.features[key] for key in keys] for case in cases])
    return x, np.array([iou_of(case) >= HIT for case in cases])


def worth(fit: Sequence[Case], other: Sequence[Case], keys: Sequence[str]) -> tuple[float, float]:
    """AUROC for misses of a regression that reads `keys` alone: on left-out blocks of `fit`, on `other`."""
    fit, other = with_box(fit), with_box(other)
    (x, hit), (z, there) = table_of(fit, keys), table_of(other, keys)
    tested = left_out(x, hit, [case.block for case in fit])
    return auroc(1 - tested, ~hit), auroc(1 - probability(z, fitted(x, hit)), ~there)


def left_out(x: Floats, hit: npt.NDArray[np.bool_], blocks: Sequence[str]) -> Floats:
    """The probability of a hit of each case (n,), by what was fitted on all other blocks."""
    said, of = np.zeros(len(x)), np.array(blocks)
    for block in sorted(set(blocks)):
        weights = fitted(x[of != block], hit[of != block])
        said[of == block] = probability(x[of == block], weights)
    return said


def fitted(x: Floats, hit: npt.NDArray[np.bool_]) -> Floats:
    """(1 + features,): offset and slopes for x (n, features) as it is; the ridge is on standardised ones."""
    mean, spread = x.mean(0), x.std(0) + 1e-9
    z = np.column_stack([np.ones(len(x)), (x - mean) / spread])
    sign = np.where(hit, 1.0, -1.0)

    def loss(w: Floats) -> tuple[float, Floats]:
        margin = sign * (z @ w)
        slope = -sign / (1 + np.exp(np.clip(margin, -50, 50)))
        ridge = np.concatenate([[0.0], w[1:]])
        return float(
            np.logaddexp(0, -margin).sum() + RIDGE / 2 * (ridge**2).sum()
        ), z.T @ slope + RIDGE * ridge

    w = minimize(loss, np.zeros(z.shape[1]), jac=True, method="L-BFGS-B").x
    return np.concatenate([[w[0] - (w[1:] * mean / spread).sum()], w[1:] / spread])


def probability(x: Floats, weights: Floats) -> Floats:
    """Of a hit, (n,)."""
    return np.asarray(1 / (1 + np.exp(-np.clip(weights[0] + x @ weights[1:], -50, 50))))
