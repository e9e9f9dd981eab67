"""The knowledge base: entries of findings and structures, found by any of their names.

The words are in prompts/knowledge/ (one file a region, sources beside them); this reads them and knows no
image and no grounder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from foveate import prompts

REACH = 300
"""Characters before a name that are searched for a denial: long lists are denied by their first word."""
REGIONS = ("thorax", "abdomen", "neuro", "msk")
_SIDE = re.compile(r"^(left|right|bilateral)\s+")
_NEGATED = re.compile(
    r"\b(?:no(?! (?:\w+ )?(?:change|increase|decrease|progression)\b)|without(?! change\b)|absence of"
    r"|negative for|free of|not(?! only\b)|denies|ruled out|resolved)\b"
)
_DENIED_AFTER = re.compile(
    r"^[^,;.]{0,40}?\b(?:(?:is|are|was|were|has|have|can|could)(?: been)? (?:now )?"
    r"(?:not (?:be )?(?:seen|present|visible|identified|evident|detected|found)|absent|excluded|ruled out"
    r"|resolved)"
    r"|cannot be (?:seen|identified|found)|no longer)\b"
)
_LISTED = re.compile(r"\s*,?\s*(?:and|or|nor)?\s*")
_ENDS = re.compile(r"\b(?:but|however|except|although|with|there (?:is|are))\b|[;.]")


@dataclass(frozen=True)
class Entry:
    """One finding or structure. `shape`, `intensity`, `density` and `location` are what can be seen of it;
    `confusers` what looks like it, `negation` how its absence is said, `source` a key of sources.toml."""

    name: str
    kind: Literal["finding", "structure"]
    region: str
    synonyms: tuple[str, ...]
    modality: tuple[str, ...]
    shape: str
    intensity: str
    density: str
    location: str
    confusers: tuple[str, ...]
    negation: str
    source: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.synonyms)


@dataclass(frozen=True)
class Mention:
    """An entry named in a text, from `start` to `end`; `side` is "left", "right", "bilateral" or ""."""

    entry: Entry
    start: int
    end: int
    side: str = ""
    negated: bool = False


@cache
def entries() -> tuple[Entry, ...]:
    """All entries, region by region."""
    return tuple(entry for region in REGIONS for entry in _region(region))


def entry_of(phrase: str) -> tuple[Entry, str] | None:
    """The entry that a phrase names, with the side before it ("left"); None unless the phrase is a name."""
    words = " ".join(phrase.lower().split()).strip(" .")
    words = re.sub(r"^(?:an?|the)\s+", "", words)
    for side, bare in (("", words), *((m[1], words[m.end() :]) for m in [_SIDE.match(words)] if m)):
        found = _names().get(bare) or _names().get(bare.removesuffix("s"))
        if found is not None:
            return found, side
    return None


def mentions(text: str) -> list[Mention]:
    """The entries named in a text, longest names first where they overlap, in the text's order."""
    lowered, found = text.lower(), list[Mention]()
    for match in _pattern().finditer(lowered):
        entry = _names()[match["name"]]
        found.append(
            Mention(entry, match.start(), match.end(), match["side"] or "", _negated(lowered, match))
        )
    return found


def _negated(text: str, match: re.Match[str]) -> bool:
    """NegEx (Chapman et al., 2001) in small: a denial before the name with no end of its reach between, or
    one right after it. What is denied a change ("no change in the effusion") is there."""
    before = text[max(0, match.start() - REACH) : match.start()]
    denials = list(_NEGATED.finditer(before))
    if denials and not _ENDS.search(before[denials[-1].end() :]):
        return True
    end, other = match.end(), _pattern().search(text, match.end())
    while other and _LISTED.fullmatch(text, end, other.start()):  # "a and b are not seen" denies both
        end, other = other.end(), _pattern().search(text, other.end())
    return bool(_DENIED_AFTER.match(text[end : other.start() if other else None]))


@cache
def _names() -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in entries():
        for name in entry.names:
            found.setdefault(name.lower(), entry)
    return found


@cache
def _pattern() -> re.Pattern[str]:
    names = sorted(_names(), key=len, reverse=True)
    return re.compile(
        r"\b(?:(?P<side>left|right|bilateral)[\s-]+(?:sided\s+)?)?(?P<name>"
        + "|".join(map(re.escape, names))
        + r")s?\b"
    )


def _region(region: str) -> Iterator[Entry]:
    for told in prompts.table(f"knowledge/{region}.toml")["entry"]:
        lists = {key: tuple(told[key]) for key in ("synonyms", "modality", "confusers")}
        yield Entry(**{**told, **lists, "region": region})
