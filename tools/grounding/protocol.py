"""What every grounder gives: text in, scored regions in a view's frame out.

Knows nothing of how a grounder works, of the agent or of the model behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from foveate.tools.imaging.frames import Box
    from foveate.tools.imaging.image import SourceImage
    from foveate.tools.imaging.views import View

ScoreKind = Literal["fixed_scale", "relative"]


@dataclass(frozen=True)
class Region:
    """One box in the frame of the view that was grounded, with the score that earned it."""

    box: Box
    score: float
    label: str


@dataclass(frozen=True)
class Grounding:
    """All that a grounder says about one phrase on one view.

    `regions` are best first and empty when the phrase is absent. `score_kind` "fixed_scale" means that scores
    compare across images and phrases, so that absence can be decided; "relative" scores only rank
    regions within this one answer. `absent` is None where the grounder cannot decide. `heatmap` is
    float32 of shape (view height, view width) in [0, 1] on the scale of `score_kind`, or None. `detail` is
    what a reader needs to judge the result (recipe, layers, calibration, baselines), as plain JSON.
    """

    phrase: str
    regions: tuple[Region, ...]
    score_kind: ScoreKind
    absent: bool | None
    best_score: float
    threshold: float | None
    heatmap: npt.NDArray[np.float32] | None
    seconds: float
    forward_passes: int
    detail: Mapping[str, Any] = field(default_factory=dict)


class Grounder(Protocol):
    """Finds phrases on a view. Boxes come back in the view's frame; an unknown phrase is absent, not an
    error.
    """

    name: str

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        """One `Grounding` per phrase, in the order given."""
        ...
