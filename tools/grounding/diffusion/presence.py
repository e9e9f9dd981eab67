"""Is it there at all? Two scores, and their calibration.

"noise": the share by which the phrase lowers the error of the predicted noise where the heat map points (the
heat-weighted diffusion classifier of 2506.10633, here against the prediction without text). "attention": how
much of its attention the place that attends most gives to the phrase, before any min–max. By itself neither
is comparable between models; only a calibration, fitted on pictures with and without the thing and kept in a
file beside the weights, makes a probability of it. Knows no views.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from foveate.tools.grounding.diffusion.maps import resize
from foveate.tools.grounding.errors import GrounderError

if TYPE_CHECKING:
    from foveate.tools.grounding.diffusion.run_fast import Errors

FILE = "presence.json"
MISSED = 0.05
ScoreOf = Literal["noise", "attention"]


def attention_scores(totals: Tensor) -> npt.NDArray[np.float32]:
    """Attention to all words of each phrase, (phrases, h, w) in [0, 1], means over layers → the largest
    value, (phrases,).
    """
    return totals.flatten(1).amax(1).cpu().numpy().astype(np.float32)


def noise_scores(heat: Tensor, errors: Errors) -> npt.NDArray[np.float32]:
    """Heat (phrases, s, s) and squared errors → (phrases,): Σ h(e_∅ − e_c) / Σ h·e_∅, above 0 where it
    helps.
    """
    without = errors.null.mean(0)
    weight = resize(heat, without.shape[-1], "bilinear")
    gain = (weight * (without - errors.phrase.mean(1))).sum((-2, -1))
    scores = gain / (weight * without).sum((-2, -1)).clamp(min=1e-12)
    return scores.cpu().numpy().astype(np.float32)


@dataclass(frozen=True)
class Calibration:
    """p = 1 / (1 + exp(−(slope·score + offset))), fitted for one recipe; absent where p is below `threshold`.

    `score` says which score it is of. `positives` and `negatives` are how many pictures it was fitted on,
    `auc` how well the score parts them there, `brier` the mean squared error of p, `sensitivity` and
    `specificity` the shares of the present and the absent that the threshold gets right.
    """

    recipe: str
    score: ScoreOf
    slope: float
    offset: float
    threshold: float
    positives: int
    negatives: int
    auc: float
    brier: float
    sensitivity: float
    specificity: float

    def probability(self, score: float) -> float:
        return float(1 / (1 + np.exp(-np.clip(self.slope * score + self.offset, -50, 50))))


def calibrate(
    recipe: str,
    score: ScoreOf,
    scores: npt.NDArray[np.floating],
    present: npt.NDArray[np.bool_],
    missed: float = MISSED,
) -> Calibration:
    """Platt scaling: logistic regression on one score, with Platt's smoothed targets; a threshold that calls
    at most the share `missed` of what is present absent. Raises GrounderError when either class is missing.
    """
    scores, present = np.asarray(scores, np.float64), np.asarray(present, np.bool_)
    pos, neg = int(present.sum()), int((~present).sum())
    if not pos or not neg:
        raise GrounderError(
            "A presence score is calibrated on pictures with and without the thing; one kind lacks."
        )
    target = np.where(present, (pos + 1) / (pos + 2), 1 / (neg + 2))
    mean, spread = scores.mean(), scores.std() + 1e-12
    slope, offset = _logistic((scores - mean) / spread, target)
    slope, offset = slope / spread, offset - slope * mean / spread
    p = 1 / (1 + np.exp(-np.clip(slope * scores + offset, -50, 50)))
    above = scores[present][:, None] - scores[~present][None]
    auc = float((above > 0).mean() + 0.5 * (above == 0).mean())
    brier = float(np.mean((p - present) ** 2))
    threshold = float(np.quantile(p[present], missed, method="lower"))
    right = float((p[present] >= threshold).mean()), float((p[~present] < threshold).mean())
    return Calibration(recipe, score, float(slope), float(offset), threshold, pos, neg, auc, brier, *right)


def save_calibrations(folder: Path, told: list[Calibration]) -> None:
    """presence.json in the model's folder: one entry per recipe."""
    (folder / FILE).write_text(json.dumps([asdict(c) for c in told], indent=1) + "\n")


def load_calibration(folder: Path, recipe: str) -> Calibration | None:
    """The calibration of that recipe, None where there is none. Raises GrounderError for a broken file."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        told = [Calibration(**entry) for entry in json.loads(path.read_text())]
    except (ValueError, TypeError) as fault:
        raise GrounderError(f"The presence calibration {FILE} in {folder.name!r} cannot be read.") from fault
    return next((c for c in told if c.recipe == recipe), None)


def _logistic(x: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Newton's method with a small ridge, so that separable classes end too."""
    slope, offset = 0.0, 0.0
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(slope * x + offset, -50, 50)))
        weight = np.maximum(p * (1 - p), 1e-9)
        gradient = np.array([((p - target) * x).sum() + 1e-3 * slope, (p - target).sum()])
        hessian = np.array(
            [[(weight * x * x).sum() + 1e-3, (weight * x).sum()], [(weight * x).sum(), weight.sum()]]
        )
        step = np.linalg.solve(hessian, gradient)
        slope, offset = slope - step[0], offset - step[1]
        if np.abs(step).max() < 1e-9:
            break
    return slope, offset
