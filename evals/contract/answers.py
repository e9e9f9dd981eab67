"""What comes back for a question: the agent's prediction, and its reading before any target is seen.

Frozen and JSON-able. Knows no target, no score and no Inspect AI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from foveate.evals.contract.questions import Corners, Region

Outcome = Literal["read", "abstained", "no_box", "refused", "unreadable", "stopped", "failed"]
"""What became of a sample, decided before the target is seen.

read: an answer of the asked kind was read. abstained: the agent said that it cannot tell. no_box: an answer,
but without any box where boxes were asked for (it may be right: the target may be empty). refused: the reply
declines to answer. unreadable: the declared convention does not parse. stopped: a budget ended the run and
nothing usable was left. failed: the model or the image failed.
"""


@dataclass(frozen=True)
class Claim:
    """One claim of the answer. `regions` are numbers of `Prediction.regions`."""

    text: str
    present: bool = True
    supported: bool = False
    regions: tuple[int, ...] = ()


@dataclass(frozen=True)
class HeatMap:
    """How strongly a grounder sees its phrase at each place of one slice, in a file of the run's folder.

    `file` holds `heat`, float32 (height, width), larger where it is surer, NaN where it did not look. The map
    covers `extent`, (x0, y0, x1, y1) in source pixels of that slice of that image of the question.
    """

    file: str
    extent: Corners
    image: int = 0
    slice_index: int = 0


@dataclass(frozen=True)
class Prediction:
    """What the agent answered, from its trace. `regions` are cited by claims of presence, in that order.

    `confidence` is the model's own, 0..1. `stopped_by` and `failure` are those of the agent's result.
    `heatmap` is None but for a grounder that was asked alone and gives one.
    """

    text: str
    abstained: bool = False
    reason: str | None = None
    confidence: float | None = None
    claims: tuple[Claim, ...] = ()
    regions: tuple[Region, ...] = ()
    stopped_by: str = "answer"
    failure: str | None = None
    heatmap: HeatMap | None = None


@dataclass(frozen=True)
class Reading:
    """A prediction read in the question's declared convention, before any target is seen.

    value: "yes"/"no", a letter, or the text. regions: the boxes that count as the answer. heatmap: the
    prediction's own; it is not part of the reading's record.
    """

    outcome: Outcome
    value: str | None = None
    regions: tuple[Region, ...] = ()
    confidence: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    heatmap: HeatMap | None = None
