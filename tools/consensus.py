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

_WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)?")
_TURNING = frozenset(word for pair in OPPOSITES for word in pair) - {"with"}
_SAME = {"bigger": "larger", "greater": "larger", "higher": "above", "over": "above", "upper": "above"}
_SAME |= {"lower": "below", "under": "below", "cranial": "superior", "caudal": "inferior"}
_SAME |= {"ventral": "anterior", "dorsal": "posterior"}
_NOT = frozenset(("not", "no", "none", "never", "neither", "nor", "cannot", "isn", "doesn", "don", "aren"))
_IDLE = frozenset(
    re.findall(
        r"\w+",
        "a an the is are was were be it its this that there here of to in on at and or as by from for side"
        " image patient slice s t lies lie located seen visible shown shows appears which answer",
    )
)


@dataclass(frozen=True)
class Group:
    """Answers of one meaning: the first of them, and which of the given answers they were."""

    text: str
    members: tuple[int, ...]


def meaning(text: str) -> tuple[bool, tuple[str, ...], tuple[str, ...], frozenset[str]]:
    """(denied, directions, numbers, the other words): answers for which all are equal mean the same."""
    words = _WORD.findall(text.lower())
    denied = sum(word in _NOT for word in words) % 2 == 1
    turning = tuple(_SAME.get(w, w) for w in words if w in _TURNING and w not in _NOT and w != "yes")
    numbers = tuple(f"{float(word):.3g}" for word in words if word[0].isdigit())
    rest = frozenset(
        w for w in words if w not in _TURNING | _NOT | _IDLE and not w[0].isdigit() and w not in _SAME
    )
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
