"""What detectors share: from scored boxes to what is said of a phrase.

An open-vocabulary detector scores its boxes for the phrase itself (`scored`); a fixed-class detector has
boxes per class, and the phrase must be one of its classes (`FixedClasses`). Knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from PIL.Image import Image

from foveate.tools.grounding.boxes import suppressed
from foveate.tools.grounding.classes import Classes
from foveate.tools.grounding.picture import UNKNOWN, Corners, Seen


@dataclass(frozen=True)
class Detections:
    """All boxes of one picture, in its pixels, with their scores and classes."""

    boxes: Sequence[Corners]
    scores: Sequence[float]
    labels: Sequence[int]


class Detector(Protocol):
    """A model of fixed classes."""

    def detect(self, picture: Image) -> Detections:
        """Everything it finds, down to a score of about 0: the best score below the threshold is told."""
        ...


def scored(boxes: Sequence[Corners], scores: Sequence[float], threshold: float, iou: float) -> Seen:
    """The boxes that score above `threshold`, less those that overlap a better one by more than `iou`; absent
    where none does. `best_score` is of all boxes."""
    above = [i for i, score in enumerate(scores) if score > threshold]
    order = suppressed([boxes[i] for i in above], [scores[i] for i in above], iou)
    kept = [above[i] for i in order]
    best = max(scores, default=0.0)
    return Seen([boxes[i] for i in kept], [scores[i] for i in kept], not kept, best, threshold)


@dataclass(frozen=True)
class FixedClasses:
    """A fixed-class detector as a finder: one pass for all phrases, each matched to a class. A phrase that is
    no class is neither present nor absent, with the reason."""

    detector: Detector
    classes: Classes
    threshold: float
    iou: float

    def find(self, picture: Image, phrases: Sequence[str]) -> list[Seen]:
        if not any(self.classes.find(phrase) is not None for phrase in phrases):
            return [self._unknown(phrase) for phrase in phrases]
        found = self.detector.detect(picture)
        return [replace(self._one(p, found), passes=int(i == 0)) for i, p in enumerate(phrases)]

    def _one(self, phrase: str, found: Detections) -> Seen:
        wanted = self.classes.find(phrase)
        if wanted is None:
            return self._unknown(phrase)
        own = [i for i, label in enumerate(found.labels) if label == wanted]
        boxes, scores = [found.boxes[i] for i in own], [found.scores[i] for i in own]
        return scored(boxes, scores, self.threshold, self.iou)

    def _unknown(self, phrase: str) -> Seen:
        reason = f"{phrase!r} is no class of this detector; it has: {self.classes.told()}."
        return Seen(threshold=self.threshold, best_score=0.0, reason=reason, detail={UNKNOWN: True})
