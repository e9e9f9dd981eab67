"""Words of a phrase: what is looked for, where it is said to be, and what is neither; and which tokens they
are.

Lexical on purpose: a part-of-speech model (2507.12236 uses sciSpaCy) is heavy, and short findings need none.
Knows no model: tokens come with their characters.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from foveate.tools.grounding.diffusion.protocol import Token
from foveate.tools.grounding.diffusion.text import shorten
from foveate.tools.grounding.errors import GrounderError

WordKind = Literal["content", "location", "function"]
_WORD = re.compile(r"[^\W_]+")
_MARKUP = re.compile(r"<[^<>]*>|&\w+;|\[/?[A-Za-z]+\]|\{[^{}]*\}|`|\*\*|__|~~|\\[a-z]+|https?://|^\s*#")


@dataclass(frozen=True)
class Word:
    """Characters [start, end) of a phrase and what they are for."""

    text: str
    start: int
    end: int
    kind: WordKind


def words_of(phrase: str) -> tuple[Word, ...]:
    """The words in order. Numbers alone say neither what nor where: they are function words."""
    found = (
        Word(m.group().lower(), m.start(), m.end(), _kind(m.group().lower())) for m in _WORD.finditer(phrase)
    )
    return tuple(found)


def check_phrase(phrase: str) -> tuple[Word, ...]:
    """The words of a phrase that can be grounded. Raises GrounderError saying what is wrong with it."""
    markup = _MARKUP.search(phrase)
    if markup:
        raise GrounderError(
            f"The phrase {shorten(phrase)!r} has markup ({markup.group().strip()!r}); write plain words."
        )
    for char in phrase:
        if char.isalpha() and not unicodedata.name(char, "").startswith("LATIN"):
            raise GrounderError(
                f"The phrase {shorten(phrase)!r} is not in Latin script ({char!r}); this model reads English."
            )
    words = words_of(phrase)
    if all(word.kind == "function" for word in words):
        raise GrounderError(
            f"The phrase {shorten(phrase)!r} has no content words: nothing in it can be looked for."
        )
    return words


def tokens_of(
    tokens: Sequence[Token], words: Sequence[Word], kind: WordKind, shift: int = 0, first_only: bool = False
) -> list[int]:
    """Positions of the tokens of all words of a kind; `shift` is where the phrase starts in its prompt."""
    chosen = []
    for word in (w for w in words if w.kind == kind):
        start, end = word.start + shift, word.end + shift
        own = [i for i, t in enumerate(tokens) if not t.special and t.start < end and t.end > start]
        chosen += own[:1] if first_only else own
    return chosen


@lru_cache(maxsize=1)
def lexicon() -> dict[str, Any]:
    """words.toml."""
    return tomllib.loads((Path(__file__).parent / "words.toml").read_text())


@lru_cache(maxsize=1)
def _kinds() -> dict[str, WordKind]:
    told = lexicon()
    return {**dict.fromkeys(told["function"], "function"), **dict.fromkeys(told["location"], "location")}


def _kind(word: str) -> WordKind:
    if not any(c.isalpha() for c in word):
        return "function"
    return _kinds().get(word, "content")
