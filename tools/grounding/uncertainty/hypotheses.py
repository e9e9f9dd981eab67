"""The hypotheses about one phrase: grounders x (ways to write it + changes of the slice + samples).

The unchanged slice is asked for every way to write the phrase, each changed slice for the phrase itself, and
every grounder that can draw again for the phrase on the unchanged slice: the cost is one call per grounder
and change, and one per sample. Knows the grounder protocol and the knowledge base.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from foveate import prompts
from foveate.tools.grounding.combine import ask_all, try_all
from foveate.tools.grounding.errors import GrounderError
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
from foveate.tools.grounding.uncertainty.draws import Drawn, check_draws, draws
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View
from foveate.tools.knowledge.base import entry_of


@dataclass(frozen=True)
class Plan:
    """How many hypotheses each grounder gives: `prompts` ways to write the phrase, the phrase itself being
    the first, `changes` of the slice beside the slice as it is, and `samples` if it can draw."""

    prompts: int = 3
    changes: int = len(CHANGES) - 1
    samples: int = 0

    def __post_init__(self) -> None:
        """Raises GrounderError."""
        if self.prompts < 1 or self.samples < 0 or not 0 <= self.changes < len(CHANGES):
            raise GrounderError(
                f"Hypotheses need prompts from 1, changes from 0 to {len(CHANGES) - 1} and samples from 0; "
                f"not prompts={self.prompts}, changes={self.changes}, samples={self.samples}."
            )


USUAL = Plan()
"""What calibrations are fitted with."""


@dataclass(frozen=True)
class Hypothesis:
    """What one grounder says of one wording on one change: `box` (x0, y0, x1, y1) in source pixels, None
    without one; `score` is its presence score on a fixed scale, None where it only ranks; `seed` of a sample,
    None for the likeliest answer."""

    grounder: str
    words: str
    change: str
    box: Corners | None
    score: float | None
    absent: bool | None
    seed: int | None = None


@dataclass
class Asked:
    """All hypotheses about one phrase, what the grounders say of it as it is, those that failed anywhere with
    their reasons, and what it cost."""

    phrase: str
    plan: Plan = USUAL
    hypotheses: list[Hypothesis] = field(default_factory=list)
    plain: dict[str, Grounding] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    forward_passes: int = 0


def wordings(phrase: str, count: int = USUAL.prompts) -> list[str]:
    """At most `count`: the phrase, then other names of what it means, then the phrase in a few words more."""
    found = entry_of(phrase)
    names: list[str] = []
    if found is not None:
        entry, side = found
        names = [f"{side} {name}" if side and side not in name.split() else name for name in entry.names]
    again = [template.format(phrase=phrase) for template in prompts.table("uncertainty.toml")["again"]]
    unlike: dict[str, str] = {}
    for words in (phrase, *names, *again):
        unlike.setdefault(words.lower(), words)
    return list(unlike.values())[:count]


def ask(
    name: str,
    parts: Sequence[Grounder],
    view: View,
    image: SourceImage,
    phrases: Sequence[str],
    plan: Plan = USUAL,
) -> list[Asked]:
    """One `Asked` per phrase: hypotheses on the slice as it is, on its changes, then samples.

    A part that fails is told of, and left out where it failed. Raises GrounderError when all fail on the
    slice as it is, for samples of parts that cannot draw, and for a montage.
    """
    check_draws(name, parts, plan.samples)
    made = [Asked(phrase, plan) for phrase in phrases]
    for change in CHANGES[: 1 + plan.changes]:
        _ask_changed(name, parts, view, image, made, change)
    for each in made:
        for drawn in draws(parts, view, image, each.phrase, plan.samples):
            _add_drawn(each, drawn, view)
    return made


def _ask_changed(
    name: str,
    parts: Sequence[Grounder],
    view: View,
    image: SourceImage,
    made: Sequence[Asked],
    change: Change,
) -> None:
    """Adds what all parts say of one change to every phrase."""
    other = changed(image, view, change)
    plain = change == AS_IT_IS
    flat = [(each, words) for each in made for words in (_wordings(each) if plain else [each.phrase])]
    told = [reworded(words, change) for _, words in flat]
    # nobody answers on the slice as it is: then nothing can be said. On a change the others still count
    answers = (
        ask_all(name, parts, other.view, other.image, told)
        if plain
        else try_all(parts, other.view, other.image, told)
    )
    for part, found in answers.found.items():
        for (each, words), one in zip(flat, found, strict=True):
            _add(each, Hypothesis(part, words, change.name, _corners(other, one, view), *_said(one)), one)
            if plain:
                each.plain.setdefault(part, one)
    for each in made:
        each.failed.update(answers.failed)


def _wordings(each: Asked) -> list[str]:
    return wordings(each.phrase, each.plan.prompts)


def _add_drawn(each: Asked, drawn: Drawn, view: View) -> None:
    """A sample that cannot be read is a hypothesis without a box, and told of."""
    if drawn.found is None:
        each.failed[f"{drawn.part}, sample {drawn.seed + 1}"] = drawn.failure
        each.hypotheses.append(
            Hypothesis(drawn.part, each.phrase, AS_IT_IS.name, None, None, None, drawn.seed)
        )
        return
    regions = drawn.found.regions
    box = regions[0].box.to_source().as_tuple() if regions else None
    said = Hypothesis(drawn.part, each.phrase, AS_IT_IS.name, box, *_said(drawn.found), drawn.seed)
    _add(each, said, drawn.found)


def _add(each: Asked, said: Hypothesis, one: Grounding) -> None:
    each.hypotheses.append(said)
    each.seconds += one.seconds
    each.forward_passes += one.forward_passes


def _corners(other: Changed, one: Grounding, view: View) -> Corners | None:
    """The best region of a changed view brought back into the source's pixels, as far as `view` shows it."""
    box = other.back(one.regions[0].box, view) if one.regions else None
    return None if box is None else box.to_source().as_tuple()


def _said(one: Grounding) -> tuple[float | None, bool | None]:
    """The presence score where it is on a fixed scale, and absence."""
    return float(one.best_score) if one.score_kind == "fixed_scale" else None, one.absent
