"""From a view to the picture that a model reads, and from what the model says back to the view.

An adapter implements `Finder`: boxes in pixels of an RGB picture. `PictureGrounder` makes a `Grounder` of it:
it renders the view upright with the patient's right on the left where the sides are known, checks every box,
and brings boxes and heat maps back into the view as it is shown. Knows no model.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL.Image import Image

from foveate.tools.grounding.errors import GrounderError, GrounderMemoryError, out_of_memory
from foveate.tools.grounding.protocol import Grounding, Region, ScoreKind
from foveate.tools.imaging.frames import Box
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View, render

Corners = tuple[float, float, float, float]
Overhang = Literal["error", "clip"]
NO_NAME = "unknown_name"
"""In `detail` of a phrase that was asked for and not found, but is no name that the grounder was taught: that
it is absent then says little."""
UNKNOWN = "unknown_phrase"
"""In `detail` of a phrase that the grounder cannot be asked for, such as what is no class of a detector."""
EDGE = 1e-3
"""How far, in pixels of the picture, rounding in a model may carry a box over the edge."""


@dataclass(frozen=True)
class Seen:
    """What a model says of one phrase on one picture of w x h pixels.

    `boxes`: (x0, y0, x1, y1) in pixels of the picture, continuous edges, with `scores`, in any order; a box
    with a label of its own has it in `labels`. `heatmap`: float32 (h, w) in [0, 1] or None. `absent` None
    where the model cannot decide, then `reason` may say why in one sentence.
    """

    boxes: Sequence[Corners] = ()
    scores: Sequence[float] = ()
    absent: bool | None = None
    best_score: float | None = None
    threshold: float | None = None
    heatmap: npt.NDArray[np.float32] | None = None
    passes: int = 0
    reason: str = ""
    labels: Sequence[str] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)


class Finder(Protocol):
    """Phrases to boxes on a picture."""

    def find(self, picture: Image, phrases: Sequence[str]) -> Sequence[Seen]:
        """One `Seen` per phrase, in order. Called by one thread at a time, without gradients."""
        ...


@dataclass
class PictureGrounder:
    """A finder behind the `Grounder` protocol. `score_kind` as in `Grounding`.

    `overhang` says what to do with a box that reaches over the edge of the picture: "error", or "clip" where
    the model's own convention lets boxes reach out (centre and size, or a padded square); then `detail` tells
    how many were cut, and how many are no regions because they lie wholly outside or have no width or height.
    """

    name: str
    finder: Finder
    score_kind: ScoreKind
    overhang: Overhang = "error"
    most: int = 5
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        """One grounding per phrase; the first tells the time of all. Raises GrounderError."""
        import torch

        began = time.monotonic()
        shown = upright(view, image)
        picture = picture_of(shown, image)
        try:
            with self._lock, torch.inference_mode():
                seen = list(self.finder.find(picture, phrases))
        except (RuntimeError, MemoryError) as fault:
            if not out_of_memory(fault):
                raise
            raise GrounderMemoryError(
                f"The grounder {self.name!r} ran out of memory on a {picture.width}x{picture.height} picture."
            ) from fault
        spent = time.monotonic() - began
        pairs = enumerate(zip(phrases, seen, strict=True))
        return [self._one(view, shown, p, what, 0.0 if i else spent) for i, (p, what) in pairs]

    def _one(self, view: View, shown: View, phrase: str, seen: Seen, seconds: float) -> Grounding:
        detail = dict(seen.detail) | ({"reason": seen.reason} if seen.reason else {})
        labels = seen.labels or [phrase] * len(seen.boxes)
        regions = []
        for corners, score, label in zip(seen.boxes, seen.scores, labels, strict=True):
            inside, word = self._inside(corners, shown)
            detail |= {word: int(detail.get(word, 0)) + 1} if word else {}
            if inside is not None:
                regions.append(Region(to_view(inside, shown, view), float(score), label))
        regions.sort(key=lambda region: -region.score)
        best = max((r.score for r in regions), default=0.0) if seen.best_score is None else seen.best_score
        # what a model saw in the padding or beyond the edge alone is not in the picture
        absent = True if seen.absent is False and seen.boxes and not regions else seen.absent
        heat = None if seen.heatmap is None else as_shown(seen.heatmap, view, shown)
        return Grounding(
            phrase, tuple(regions[: self.most]), self.score_kind, absent, best, seen.threshold, heat,
            seconds, seen.passes, detail,
        )  # fmt: skip

    def _inside(self, corners: Corners, shown: View) -> tuple[Corners | None, str]:
        """The part of a box that is in the picture, and the name under which a cut is counted."""
        x0, y0, x1, y1 = corners
        small = x1 - x0 <= EDGE or y1 - y0 <= EDGE
        if small and self.overhang == "clip" and x1 >= x0 and y1 >= y0:
            return None, "boxes_empty"
        if small or not all(math.isfinite(c) for c in corners):
            raise GrounderError(
                f"The grounder {self.name!r} wrote the box {_numbers(corners)}, which is empty."
            )
        cut = max(x0, 0.0), max(y0, 0.0), min(x1, float(shown.width)), min(y1, float(shown.height))
        over = max(abs(a - b) for a, b in zip(cut, corners, strict=True)) > EDGE
        if over and self.overhang == "error":
            size = f"{shown.width}x{shown.height}"
            raise GrounderError(
                f"The grounder {self.name!r} wrote the box {_numbers(corners)}, outside its {size} picture."
            )
        if cut[2] - cut[0] <= EDGE or cut[3] - cut[1] <= EDGE:
            return None, "boxes_outside"
        return cut, "boxes_cut" if over else ""


def picture_of(shown: View, image: SourceImage) -> Image:
    """The pixels of an upright view. Raises GrounderError for intensities that are not numbers."""
    pixels = image.plane_pixels(shown.plane, shown.slice_index)
    if np.issubdtype(pixels.dtype, np.floating) and not np.isfinite(pixels).all():
        raise GrounderError("The image has values that are not numbers (NaN or infinite) on this slice.")
    return render(shown, image)


def upright(view: View, image: SourceImage) -> View:
    """The view's region unturned, mirrored only if that puts the patient's right on the left."""
    sides, (width, height) = image.sides(view.plane), view.upright_size
    changed: dict[str, Any] = {
        "quarter_turns": 0, "flip": sides is not None and sides[0] == "L", "width": width, "height": height,
        "parent": view.id, "operation": "as the grounder reads it",
    }  # fmt: skip
    return View(**{**{name: getattr(view, name) for name in View.model_fields}, **changed})


def to_view(corners: Corners, shown: View, view: View) -> Box:
    """Corners in pixels of the picture → the box in the view as it is shown."""
    return view.frame.from_source(shown.frame.to_source(shown.frame.box(*corners)))


def to_picture(box: Box, shown: View) -> Corners:
    """A box of a view → its corners in pixels of the picture. Raises BoxError when it is not in there."""
    return shown.frame.from_source(box.to_source()).as_tuple()


def as_shown(pixels: npt.NDArray[Any], view: View, shown: View) -> npt.NDArray[Any]:
    """An array (h, w) over the picture, mirrored and turned as the view is."""
    if pixels.shape != (shown.height, shown.width):
        raise ValueError(f"the map is {pixels.shape}, the picture {(shown.height, shown.width)}")
    turned = pixels[:, ::-1] if view.flip != shown.flip else pixels
    return np.ascontiguousarray(np.rot90(turned, -view.quarter_turns))


def _numbers(corners: Corners) -> str:
    return "[" + ", ".join(f"{c:.4g}" for c in corners) + "]"
