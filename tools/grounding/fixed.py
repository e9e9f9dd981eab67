"""What fixed-class detectors share: from a detector's boxes per class to what it says of a phrase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foveate.tools.grounding.boxes import suppressed
from foveate.tools.grounding.classes import Classes
from foveate.tools.grounding.picture import Corners, Seen


@dataclass(frozen=True)
class Detections:
    """All boxes of one picture, in its pixels, with their scores and classes."""

    boxes: Sequence[Corners]
    scores: Sequence[float]
    labels: Sequence[int]


def of_phrase(phrase: str, found: Detections, classes: Classes, threshold: float, iou: float) -> Seen:
    """The boxes of the phrase's class that score above the threshold; a phrase that is no class is neither
    present nor absent, with the reason."""
    wanted = classes.find(phrase)
    if wanted is None:
        reason = f"{phrase!r} is no class of this detector; it has: {classes.told()}."
        return Seen(threshold=threshold, best_score=0.0, reason=reason)
    own = [i for i, label in enumerate(found.labels) if label == wanted]
    best = max((found.scores[i] for i in own), default=0.0)
    above = [i for i in own if found.scores[i] > threshold]
    order = suppressed([found.boxes[i] for i in above], [found.scores[i] for i in above], iou)
    kept = [above[i] for i in order]
    boxes, scores = [found.boxes[i] for i in kept], [found.scores[i] for i in kept]
    return Seen(boxes, scores, not kept, best, threshold)
