"""What a caption says: which structures are visible, on which side, where in the picture, how bright, in
which window, and at times what is not there.

A true caption says nothing that is not so, and not everything that is. A false one also names, as if they
were there, structures that are not: nothing is learned from it about pictures, only that such words have no
place. Words come from `prompts/pocket/structures.json` and `captions.json`. Knows nothing of pixels or
models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from foveate.pocket.anatomy import LESION, structure, structures
from foveate.pocket.diffusion.scenes import Fact

ARTICLES = ("the patient's ", "the ", "a ")
FALSE = 0.2
# put around a name until the text is whole: no wording holds them
_OPEN, _CLOSE = "\ue000", "\ue001"


@dataclass(frozen=True)
class Named:
    """Characters [start, end) of a caption name the structure `name`; `here` tells whether the picture shows
    it.
    """

    start: int
    end: int
    name: str
    here: bool


@dataclass(frozen=True)
class Caption:
    """`named` holds every structure that the text says is there, in order; not those it says are not."""

    text: str
    named: tuple[Named, ...] = ()

    @property
    def true(self) -> bool:
        return all(each.here for each in self.named)


@cache
def words() -> dict[str, list[str]]:
    """Adjectives, places, carriers and negations."""
    text = (resources.files("foveate.prompts") / "pocket" / "captions.json").read_text(encoding="utf-8")
    loaded: dict[str, list[str]] = json.loads(text)
    return loaded


def caption(
    rng: np.random.Generator, facts: Sequence[Fact], window: str, erased: str = "", false: float = FALSE
) -> Caption:
    """One caption of a picture with these facts, false in a share `false` of cases."""
    if not facts:
        return Caption(_choose(rng, words()["nothing"]))
    count = int(rng.choice((1, 2, 3, 5), p=(0.42, 0.22, 0.2, 0.16)))
    if len(facts) <= 3:  # few things to be seen: all are told
        count = len(facts)
    told = [(fact, True) for fact in _chosen(rng, facts, count)]
    if rng.random() < false:
        told = _falsified(rng, told, facts, erased)
    short = len(told) > 3
    parts = [mention(rng, fact, short) for fact, _ in told]
    if rng.random() < 0.1 and not short:
        parts.append(_choose(rng, words()["absent"]).format(p=_absent(rng, facts, erased)))
    text = _listed(rng, parts)
    if len(facts) <= 3:
        text = _choose(rng, words()["alone"]).format(p=text)
    if rng.random() < 0.2:
        text = _choose(rng, words()["carriers"]).format(p=text, w=window)
    return _unmarked(text, told)


def _falsified(
    rng: np.random.Generator, told: list[tuple[Fact, bool]], facts: Sequence[Fact], erased: str
) -> list[tuple[Fact, bool]]:
    """Some of what is told replaced by structures that are not there."""
    made = list(told)
    for i in range(len(made)):
        if i == 0 or rng.random() < 0.5:
            made[i] = Fact(_absent(rng, facts, erased), 0.0, 0.5, 0.5, ""), False
    return [made[int(i)] for i in rng.permutation(len(made))]


def _unmarked(text: str, told: Sequence[tuple[Fact, bool]]) -> Caption:
    """The text without its marks, and where they were."""
    named, shift = [], 0
    spans = re.finditer(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}", text)
    for span, (fact, here) in zip(spans, told, strict=True):
        start = span.start() - shift
        named.append(Named(start, start + len(span.group(1)), fact.name, here))
        shift += 2
    return Caption(text.replace(_OPEN, "").replace(_CLOSE, ""), tuple(named))


def mention(rng: np.random.Generator, fact: Fact, short: bool = False) -> str:
    """One structure by one of its names, with its shade and its place at times; marks around the name."""
    item = structure(fact.name)
    wording = item.name if short or rng.random() < 0.65 else _choose(rng, item.phrases())
    if fact.shade and rng.random() < 0.9:
        for article in ARTICLES:
            wording = wording.removeprefix(article)
        wording = f"{_choose(rng, words()[fact.shade])} {wording}"
    wording = f"{_OPEN}{wording}{_CLOSE}"
    place = fact.place()
    if place and not short and rng.random() < 0.25:
        wording = f"{wording} {_choose(rng, words()['places']).format(p=place)}"
    return wording


def _chosen(rng: np.random.Generator, facts: Sequence[Fact], count: int) -> list[Fact]:
    """Recoloured structures and nodules are four times as likely to be told as others."""
    weights = np.array([4.0 if f.shade or f.name == LESION else 1.0 for f in facts])
    order = rng.choice(len(facts), min(count, len(facts)), replace=False, p=weights / weights.sum())
    return [facts[int(i)] for i in order]


def _absent(rng: np.random.Generator, facts: Sequence[Fact], erased: str) -> str:
    there = {fact.name for fact in facts}
    if erased and erased not in there:
        return erased
    if LESION not in there and {"left lung", "right lung"} & there and rng.random() < 0.6:
        return LESION
    missing = [s.name for s in structures() if s.name not in there]
    return _choose(rng, missing)


def _listed(rng: np.random.Generator, parts: Sequence[str]) -> str:
    if len(parts) > 1 and rng.random() < 0.5:
        return ", ".join(parts[:-1]) + " and " + parts[-1]
    return ", ".join(parts)


def _choose(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]
