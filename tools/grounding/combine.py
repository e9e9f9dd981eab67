"""What grounders made of other grounders share: their parts, who failed, and who says that it is absent.

Knows only the `Grounder` protocol and the registry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.protocol import Grounder, Grounding
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View


def split_parts(inside: str) -> list[str]:
    """The specifications between the outermost plus signs: "a+b(c+d)" has two. Raises GrounderError."""
    parts, depth = [""], 0
    for letter in inside:
        depth += (letter == "(") - (letter == ")")
        if letter == "+" and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    if depth or not all(part.strip() for part in parts):
        raise GrounderError(f"{inside!r} is no list of grounders: write them as (ONE+OTHER).")
    return [part.strip() for part in parts]


def load_parts(name: str, inside: str, count: int | None = None, least: int = 2) -> list[Grounder]:
    """The grounders between the parentheses: `count` of them, or at least `least`. Raises GrounderError that
    tells of every part that cannot be loaded, with its reason."""
    from foveate.tools.grounding.registry import load_grounder

    specs = split_parts(inside)
    check_count(name, specs, count, least)
    loaded: list[Grounder] = []
    reasons: dict[str, str] = {}
    for spec in specs:
        try:
            loaded.append(load_grounder(spec))
        except GrounderError as error:
            reasons[spec] = str(error)
    if reasons:
        raise GrounderError(f"{len(reasons)} of the {len(specs)} grounders of {name!r} fail: {told(reasons)}")
    return loaded


def check_count(name: str, specs: Sequence[str], count: int | None, least: int = 2) -> None:
    """Raises GrounderError unless there are `count` parts, or at least `least`."""
    if (count is not None and len(specs) != count) or len(specs) < least:
        wanted = f"{count} parts" if count else "two or more"
        raise GrounderError(f"The grounder {name!r} is made of {wanted}, not of {len(specs)}.")


def names_of(parts: Sequence[Grounder]) -> list[str]:
    """A name for each part; of two that are called the same the later one gets its number."""
    names = [part.name for part in parts]
    return [n if n not in names[:i] else f"{n}#{i + 1}" for i, n in enumerate(names)]


def read_weights(name: str, told: str, count: int) -> list[float]:
    """ "2/1" → weights whose largest is 1; all equal without. Raises GrounderError."""
    try:
        weights = [float(w) for w in told.split("/")] if told else [1.0] * count
    except ValueError:
        weights = []
    if len(weights) != count or not all(0 < w < float("inf") for w in weights):
        raise GrounderError(f"{name!r} needs {count} weights above 0, such as 2/1; not {told!r}.")
    return [w / max(weights) for w in weights]


def told(reasons: Mapping[str, str]) -> str:
    """Every reason with the name of its grounder, in one line."""
    return " ".join(f"({i}) {spec}: {reason}" for i, (spec, reason) in enumerate(reasons.items(), 1))


@dataclass(frozen=True)
class Answers:
    """What the parts say of all phrases: `found` by part, in order of the phrases; `failed` with reasons."""

    found: dict[str, list[Grounding]]
    failed: dict[str, str] = field(default_factory=dict)

    def of(self, index: int) -> dict[str, Grounding]:
        """What each part says of one phrase."""
        return {name: found[index] for name, found in self.found.items()}


def ask_all(
    name: str, parts: Sequence[Grounder], view: View, image: SourceImage, phrases: Sequence[str]
) -> Answers:
    """Asks every part; one that fails is left out and told of. Raises GrounderError when all do."""
    answers = try_all(parts, view, image, phrases)
    if not answers.found:
        raise GrounderError(f"All grounders of {name!r} fail: {told(answers.failed)}")
    return answers


def try_all(parts: Sequence[Grounder], view: View, image: SourceImage, phrases: Sequence[str]) -> Answers:
    """As `ask_all`, but nothing is raised: all may have failed."""
    answers = Answers({})
    for own, part in zip(names_of(parts), parts, strict=True):
        try:
            answers.found[own] = part.ground(view, image, phrases)
        except GrounderError as error:
            answers.failed[own] = str(error)
        except Exception as error:  # a model that breaks must not take the others with it
            answers.failed[own] = f"it failed with {type(error).__name__}."
    return answers


def absence(found: Mapping[str, Grounding]) -> bool | None:
    """True when all that can decide say absent, False when one of them says present, None when none can."""
    votes = [one.absent for one in found.values() if one.absent is not None]
    return all(votes) if votes else None


def report(found: Mapping[str, Grounding], failed: Mapping[str, str]) -> dict[str, Any]:
    """What a reader needs to judge the result, as plain JSON."""
    parts = {
        name: {
            "regions": len(one.regions),
            "absent": one.absent,
            "best_score": round(float(one.best_score), 4),
        }
        | ({"reason": one.detail["reason"]} if "reason" in one.detail else {})
        for name, one in found.items()
    }
    reasons = [f"{name}: {part['reason']}" for name, part in parts.items() if "reason" in part]
    silent = {"reason": " ".join(reasons)} if reasons and len(reasons) == len(parts) else {}
    return {"parts": parts} | ({"failed": dict(failed)} if failed else {}) | silent


def spent(found: Mapping[str, Grounding]) -> tuple[float, int]:
    """Seconds and forward passes of all parts together."""
    return sum(one.seconds for one in found.values()), sum(one.forward_passes for one in found.values())
