"""The hypotheses about one phrase: grounders x ways to write it x changes of the slice.

The unchanged slice is asked for every way to write the phrase, each changed slice for the phrase itself: the
cost is one call per grounder and change. Knows the grounder protocol and the knowledge base.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from foveate import prompts
from foveate.tools.grounding.combine import ask_all
from foveate.tools.grounding.protocol import Grounder, Grounding
from foveate.tools.grounding.uncertainty.agreement import Corners
from foveate.tools.grounding.uncertainty.changes import (
    AS_IT_IS,
    CHANGES,
    Change,
    Changed,
    changed,
    reworded,
)
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View
from foveate.tools.knowledge.base import entry_of

PROMPTS = 3


@dataclass(frozen=True)
class Hypothesis:
    """What one grounder says of one wording on one change: `box` in source pixels, None without one; `score`
    is its presence score on a fixed scale, None where it only ranks."""

    grounder: str
    words: str
    change: str
    box: Corners | None
    score: float | None
    absent: bool | None


@dataclass
class Asked:
    """All hypotheses about one phrase, what the grounders say of it as it is, those that failed with their
    reasons, and what it cost."""

    phrase: str
    hypotheses: list[Hypothesis] = field(default_factory=list)
    plain: dict[str, Grounding] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    forward_passes: int = 0


def wordings(phrase: str, count: int = PROMPTS) -> list[str]:
    """The phrase, then other names of what it means, then the phrase in a few words more."""
    found = entry_of(phrase)
    names: list[str] = []
    if found is not None:
        entry, side = found
        names = [f"{side} {name}" if side and side not in name else name for name in entry.names]
    again = [template.format(phrase=phrase) for template in prompts.table("uncertainty.toml")["again"]]
    return list({each.lower(): each for each in (*again[::-1], *names[::-1], phrase)}.values())[::-1][:count]


def ask(
    name: str,
    parts: Sequence[Grounder],
    view: View,
    image: SourceImage,
    phrases: Sequence[str],
    changes: Sequence[Change] = CHANGES,
    count: int = PROMPTS,
) -> list[Asked]:
    """One `Asked` per phrase, hypotheses in order of the changes. A part that fails is left out and told of;
    raises GrounderError when all do, and for a montage."""
    made = [Asked(phrase) for phrase in phrases]
    for change in changes:
        other = changed(image, view, change)
        flat = [(each, words) for each in made for words in _words(each.phrase, change, count)]
        told = [reworded(words, change) for _, words in flat]
        answers = ask_all(name, parts, other.view, other.image, told)
        for part, found in answers.found.items():
            for (each, words), one in zip(flat, found, strict=True):
                each.hypotheses.append(_hypothesis(part, words, change, other, one, view))
                each.seconds += one.seconds
                each.forward_passes += one.forward_passes
                if change == AS_IT_IS:
                    each.plain.setdefault(part, one)
        for each in made:
            each.failed.update(answers.failed)
    return made


def _words(phrase: str, change: Change, count: int) -> list[str]:
    return wordings(phrase, count) if change == AS_IT_IS else [phrase]


def _hypothesis(
    part: str, words: str, change: Change, other: Changed, one: Grounding, view: View
) -> Hypothesis:
    """The best region brought back into the source's pixels."""
    box = other.back(one.regions[0].box, view) if one.regions else None
    score = float(one.best_score) if one.score_kind == "fixed_scale" else None
    corners = None if box is None else box.to_source().as_tuple()
    return Hypothesis(part, words, change.name, corners, score, one.absent)
