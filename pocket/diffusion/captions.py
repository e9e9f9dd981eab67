"""What a caption says: which structures are visible, on which side, where in the picture, how bright, in
which window, and at times what is not there.

Everything said is true of the picture's facts; not everything true is said. Words come from
`prompts/pocket/structures.json` and `captions.json`. Knows nothing of pixels or models.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources

import numpy as np

from foveate.pocket.anatomy import LESION, structure, structures
from foveate.pocket.diffusion.scenes import Fact

ARTICLES = ("the patient's ", "the ", "a ")


@cache
def words() -> dict[str, list[str]]:
    """Adjectives, places, carriers and negations."""
    text = (resources.files("foveate.prompts") / "pocket" / "captions.json").read_text(encoding="utf-8")
    loaded: dict[str, list[str]] = json.loads(text)
    return loaded


def caption(rng: np.random.Generator, facts: Sequence[Fact], window: str, erased: str = "") -> str:
    """One caption of a picture with these facts."""
    if not facts:
        return _choose(rng, words()["nothing"])
    count = int(rng.choice((1, 2, 3, 5), p=(0.42, 0.22, 0.2, 0.16)))
    if len(facts) <= 3:  # few things to be seen: all are told
        count = len(facts)
    short = count > 3
    parts = [mention(rng, fact, short) for fact in _chosen(rng, facts, count)]
    if rng.random() < 0.1 and not short:
        parts.append(_choose(rng, words()["absent"]).format(p=_absent(rng, facts, erased)))
    text = _listed(rng, parts)
    if len(facts) <= 3:
        text = _choose(rng, words()["alone"]).format(p=text)
    if rng.random() < 0.2:
        text = _choose(rng, words()["carriers"]).format(p=text, w=window)
    return text


def mention(rng: np.random.Generator, fact: Fact, short: bool = False) -> str:
    """One structure by one of its names, with its shade and its place at times."""
    item = structure(fact.name)
    wording = item.name if short or rng.random() < 0.65 else _choose(rng, item.phrases())
    if fact.shade and rng.random() < 0.9:
        for article in ARTICLES:
            wording = wording.removeprefix(article)
        wording = f"{_choose(rng, words()[fact.shade])} {wording}"
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
