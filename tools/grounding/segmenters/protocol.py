"""What every segmenter gives: a box, a point or a phrase in, a mask of the view out.

Knows no model. The seam of SAM-Med2D, BiomedParse, SAT, IMIS and their kin, which bring code of their own: a
class with `name`, `takes` and `segment`, in one file with a `CARD` and a `load`, and a line in the registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from foveate.tools.imaging.frames import Box
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

PromptKind = Literal["box", "point", "text"]


@dataclass(frozen=True)
class Prompt:
    """Exactly one of: a box of the view, a point (x, y) in pixels of the view, a phrase."""

    box: Box | None = None
    point: tuple[float, float] | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        if sum(part is not None for part in (self.box, self.point, self.text)) != 1:
            raise ValueError("a prompt is a box, a point or a phrase: one of them")

    @property
    def kind(self) -> PromptKind:
        return "box" if self.box is not None else "point" if self.point is not None else "text"


@dataclass(frozen=True)
class Mask:
    """`pixels`: bool (view height, view width) of `view`. `score`: the model's own estimate, in [0, 1], of
    how good the mask is."""

    pixels: npt.NDArray[np.bool_]
    view: View
    score: float
    passes: int = 1

    def box(self) -> Box | None:
        """The tight box round the mask in the view's frame; None for an empty mask."""
        rows, cols = np.flatnonzero(self.pixels.any(1)), np.flatnonzero(self.pixels.any(0))
        if not len(rows):
            return None
        return self.view.frame.box(cols[0], rows[0], cols[-1] + 1, rows[-1] + 1)


class Segmenter(Protocol):
    """`takes`: the kinds of prompt that the model was made for."""

    name: str
    takes: frozenset[PromptKind]

    def segment(self, view: View, image: SourceImage, prompt: Prompt) -> Mask:
        """The mask of what the prompt points at. Raises GrounderError for a prompt it does not take."""
        ...
