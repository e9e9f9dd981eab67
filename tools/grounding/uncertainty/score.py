"""Agreement → one uncertainty: the probability that the box given has IoU < 0.5 with the true one.

A logistic regression, fitted on held-out slices for one set of grounders and kept in a small file; for
another set there is none, and the uncertainty is then what is missing of consensus, which only ranks. Knows
the names of grounders, and no image.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from foveate.tools.grounding.card import embedded_weights
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.uncertainty.agreement import Agreement, agree_on
from foveate.tools.grounding.uncertainty.choose import choose
from foveate.tools.grounding.uncertainty.hypotheses import USUAL, Asked, Hypothesis
from foveate.tools.grounding.uncertainty.steady import steadiness
from foveate.tools.imaging.views import View

FILE = "uncertainty.json"


@dataclass(frozen=True)
class Calibration:
    """uncertainty = 1 / (1 + exp(offset + Σ slopes·features)), for grounders of these names.

    `weights`: what a hypothesis of each grounder weighs in the consensus, the most trusted one first; `heat`:
    what the maps of those that only rank weigh beside it. Above `most` the box is not given. `cases`, `auroc`
    and `brier` tell what it was fitted on, and how well it told misses there on blocks that were left out;
    `command` made it.
    """

    weights: dict[str, float]
    heat: float
    offset: float
    slopes: dict[str, float]
    most: float
    cases: int
    auroc: float
    brier: float
    command: str

    def uncertainty(self, features: Mapping[str, float]) -> float:
        z = self.offset + sum(slope * features[name] for name, slope in self.slopes.items())
        return 1 / (1 + math.exp(max(-50.0, min(50.0, z))))


@cache
def calibrations() -> tuple[Calibration, ...]:
    """Those that ship, beside the weights of the pocket models. Raises GrounderError for a broken file."""
    path = embedded_weights(FILE)
    if not path.is_file():
        return ()
    try:
        return tuple(Calibration(**entry) for entry in json.loads(path.read_text()))
    except (ValueError, TypeError) as fault:
        raise GrounderError(f"The calibration {path.name} of the uncertainty cannot be read.") from fault


def calibration_of(names: Sequence[str]) -> Calibration | None:
    """The calibration of just these grounders; None where there is none."""
    return next((c for c in calibrations() if set(c.weights) == set(names)), None)


def save(path: Path, told: Sequence[Calibration]) -> None:
    path.write_text(json.dumps([asdict(each) for each in told], indent=1) + "\n")
    calibrations.cache_clear()


@dataclass(frozen=True)
class Doubt:
    """The uncertainty of a box, what it was made of, and up to which value the box is to be trusted.
    `deciding`: how many hypotheses can decide absence; `absent`: the weighted share of them that say absent.
    """

    agreement: Agreement
    uncertainty: float
    most: float
    calibrated: bool
    deciding: int
    absent: float

    def told(self) -> dict[str, Any]:
        """Plain JSON for a grounding's `detail`; `variance` in squared box sizes, `count` of hypotheses."""
        a = self.agreement
        numbers = {"uncertainty": self.uncertainty, "consensus": a.consensus, "variance": a.variance}
        numbers |= {"miss_rate": a.miss_rate, "support": a.support, "most": self.most}
        told: dict[str, Any] = {name: round(float(value), 4) for name, value in numbers.items()}
        return told | {"count": a.count, "calibrated": self.calibrated}

    def verdict(self, most: float) -> tuple[str, bool | None]:
        """Why no box is to be given, `most` being the largest uncertainty, "" where one is; and whether it is
        absent, None where nobody can decide."""
        if self.deciding and self.absent > 0.5:
            return f"{self.absent:.0%} of {self.deciding} hypotheses find nothing.", True
        if self.agreement.box is None:
            return f"None of {self.agreement.count} hypotheses has a box.", None
        if self.uncertainty > most:
            return f"The hypotheses are not to be trusted: {self.words()}, more than {most:.2f}.", None
        return "", False if self.deciding else None

    def words(self) -> str:
        a = self.agreement
        return f"uncertainty {self.uncertainty:.2f} (consensus {a.consensus:.2f}, missing {a.miss_rate:.0%})"


def doubt_of(asked: Asked, names: Sequence[str], view: View) -> Doubt:
    """The doubt about what grounders of these names say. Where one of them failed, where they were never
    calibrated together, or were asked otherwise than then, it is 1 - consensus x (1 - miss rate), and every
    box is trusted."""
    calibration = calibration_of(names) if asked.plan == USUAL and not asked.failed else None
    weights = dict.fromkeys(names, 1.0) if calibration is None else calibration.weights
    agreed, features = weighed(asked, weights, 0.0 if calibration is None else calibration.heat, view)
    votes = _deciding(asked.hypotheses, weights)
    if calibration is None:
        return Doubt(agreed, 1 - agreed.consensus * (1 - agreed.miss_rate), 1.0, False, *votes)
    return Doubt(agreed, calibration.uncertainty(features), calibration.most, True, *votes)


def weighed(
    asked: Asked, weights: Mapping[str, float], heat: float, view: View
) -> tuple[Agreement, dict[str, float]]:
    """The agreement, its box chosen with the maps of those that only rank, and what the regression reads.

    `weights` by grounder; `heat`: what the maps weigh beside the agreement, 0 for nothing."""
    boxes = [h.box for h in asked.hypotheses]
    each = [weights[h.grounder] for h in asked.hypotheses]
    agreed = agree_on(boxes, each)
    ranking = [one.heatmap for one in asked.plain.values() if one.score_kind == "relative"]
    heats = [heatmap for heatmap in ranking if heatmap is not None]
    box = choose(boxes, each, agreed, heats, view.frame.affine.inverse().map_box, heat)
    agreed = replace(agreed, box=box)
    return agreed, features_of(asked, agreed)


def features_of(asked: Asked, agreed: Agreement) -> dict[str, float]:
    """What the regression reads, all in [0, 1]. "spread" is s / (1 + s) of the standard deviation s in box
    sizes, "score" the mean presence of the hypotheses that have one, "steady" how little the box depends on
    the level at which a map on a fixed scale is cut."""
    scores = [h.score for h in asked.hypotheses if h.score is not None]
    fixed = [one.heatmap for one in asked.plain.values() if one.score_kind == "fixed_scale"]
    deviation = math.sqrt(agreed.variance)
    return {
        "consensus": agreed.consensus,
        "spread": deviation / (1 + deviation),
        "miss_rate": agreed.miss_rate,
        "score": sum(scores) / len(scores) if scores else 0.0,
        "steady": steadiness([heatmap for heatmap in fixed if heatmap is not None]),
    }


def _deciding(hypotheses: Sequence[Hypothesis], weights: Mapping[str, float]) -> tuple[int, float]:
    votes = [(h.absent, weights[h.grounder]) for h in hypotheses if h.absent is not None]
    absent = sum(weight for said, weight in votes if said)
    return len(votes), absent / sum(weight for _, weight in votes) if votes else 0.0
