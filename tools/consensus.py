"""Answers grouped by what they mean, and how much they agree: the uncertainty of a set of sampled answers.

Semantic entropy (Kuhn et al., ICLR 2023; Farquhar et al., Nature 2024) with groups made by rule instead of by
an entailment model: two answers mean the same when they say the same directions, the same yes or no and the
same numbers, and otherwise use the same words. Knows no image and no model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from foveate.tools.semsam.words import OPPOSITES

_WORD = re.compile(r"[a-z]+|(?<![\w.])-?\d+(?:\.\d+)?|\d+(?:\.\d+)?")
_PARTICLE = re.compile(r"^\s*(?:yes|no)\b\s*[.,;:!–-]\s*(?=\w)")
_CONTRACTED = re.compile(r"n['’]t\b")
_TURNING = frozenset(word for pair in OPPOSITES for word in pair) - {"with"}
_SAME = {"bigger": "larger", "greater": "larger", "higher": "above", "over": "above", "upper": "above"}
_SAME |= {"lower": "below", "under": "below", "cranial": "superior", "caudal": "inferior"}
_SAME |= {"ventral": "anterior", "dorsal": "posterior"}
# "nor" goes with "neither", and says nothing more
_NOT = frozenset(("not", "no", "none", "never", "neither", "cannot", "nothing", "nobody", "nowhere"))
_IDLE = frozenset(
    re.findall(
        r"\w+",
        "a an the is are was were be it its this that there here of to in on at and or as by from for side"
        " image patient slice s lies lie located seen visible shown shows appears which answer does do nor",
    )
)


@dataclass(frozen=True)
class Group:
    """Answers of one meaning: the first of them, and which of the given answers they were."""

    text: str
    members: tuple[int, ...]


def meaning(text: str) -> tuple[bool, tuple[str, ...], tuple[str, ...], frozenset[str]]:
    """(denied, directions, numbers, the other words): answers for which all are equal mean the same."""
    lowered = _CONTRACTED.sub(" not", text.lower().replace("can't", "cannot").replace("can’t", "cannot"))
    # "No, there is no nodule" denies once: a "no" that answers is no second denial of what it introduces
    particle = _PARTICLE.match(lowered)
    words = _WORD.findall(lowered[particle.end() :] if particle else lowered)
    denied = sum(word in _NOT for word in words) % 2 == 1
    denied |= particle is not None and particle[0].split()[0].startswith("no")
    turning = tuple(_SAME.get(w, w) for w in words if w in _TURNING and w not in _NOT and w != "yes")
    numbers = tuple(f"{float(word):.3g}" for word in words if word[-1].isdigit())
    rest = frozenset(w for w in words if w not in _TURNING | _NOT | _IDLE and not w[-1].isdigit())
    return denied, turning, numbers, rest


def groups(texts: Sequence[str]) -> list[Group]:
    """The answers grouped by meaning, largest group first, then in order of the first answer."""
    found: dict[object, list[int]] = {}
    for place, text in enumerate(texts):
        found.setdefault(meaning(text), []).append(place)
    made = [Group(texts[places[0]], tuple(places)) for places in found.values()]
    return sorted(made, key=lambda group: (-len(group.members), group.members[0]))


def spread(made: Sequence[Group]) -> float:
    """Semantic entropy as a share of what it could be: 0 where all agree, 1 where no two do."""
    count = sum(len(group.members) for group in made)
    if count < 2:
        return 0.0
    shares = [len(group.members) / count for group in made]
    return max(0.0, -sum(share * math.log(share) for share in shares)) / math.log(count)
