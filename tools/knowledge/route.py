"""What a query asks for: a thing by its name, and words of size or place that choose one among several.

Sides in a structure's name ("left kidney", "upper lobe") belong to the name. Words of place are viewing terms
of the source slice as it is shown upright, as in `relate`. After FLanS (2024), with the words resolved by
computation. Knows no image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["anatomy", "position", "size"]
_ORDINALS = {
    word: n
    for n, words in enumerate(
        (("first", "1st"), ("second", "2nd"), ("third", "3rd"), ("fourth", "4th"), ("fifth", "5th")), 1
    )
    for word in words
}
_ORDINAL = "|".join(_ORDINALS)
_SHOWN = r"(?:image|picture|slice|view|screen|scan)"
_NAMES = r"lobes?|lungs?|quadrant|poles?|arms?|legs?|limbs?|abdomen|extremit\w+|zones?|chest|back|jaw|lips?"
_SIZE = re.compile(
    rf"\b(?:(?P<nth>{_ORDINAL})[\s-]+)?(?P<word>largest|biggest|greatest|smallest|tiniest|widest|tallest)\b(?:\s+of\s+(?:the|all))?"
)
_MOST = re.compile(r"\b(?P<word>left|right|top|upper|bottom|lower)[\s-]?most\b|\b(?P<low>highest|lowest)\b")
_FROM = re.compile(
    rf"\b(?P<nth>{_ORDINAL})\b(?P<thing>.*?)\s*(?:,\s*)?\b(?:counted\s+|counting\s+)?from\s+the\s+(?P<word>left|right|top|bottom)\b"
)
_PLACE = re.compile(
    rf"(?:,\s*)?\b(?:in|on|at)\s+(?:the\s+)?(?:{_SHOWN}'?s?\s+)?"
    r"(?P<v>upper|top|lower|bottom)?[\s-]*(?P<h>left|right|middle|center|centre)?[\s-]*"
    rf"(?:hand\s+)?(?:side|half|part|corner|quadrant|third|edge)?(?:\s+of\s+(?:the\s+)?{_SHOWN})?\s*$"
)
_BEFORE = re.compile(rf"\b(?P<v>upper|top|lower|bottom)[\s-]+(?P<h>left|right)\s+(?!(?:{_NAMES})\b)(?=[a-z])")
_SHARED = re.compile(rf"\b{_SHOWN}\b")


@dataclass(frozen=True)
class Choice:
    """One choosing word. `by`: size ("large", "small", "wide", "tall") or an end to count from ("left",
    "right", "top", "bottom") or a place to lie in ("upper left"); `nth` counts from 1."""

    how: Literal["size", "order", "place"]
    by: str
    nth: int = 1


@dataclass(frozen=True)
class Route:
    """A query as the thing to ground (`phrase`) and what chooses among what is found."""

    query: str
    phrase: str
    choices: tuple[Choice, ...] = ()

    @property
    def kind(self) -> Kind:
        if any(choice.how == "size" for choice in self.choices):
            return "size"
        return "position" if self.choices else "anatomy"


def route(query: str) -> Route:
    """The query taken apart; a query without words of size or place is itself the phrase."""
    words = " ".join(query.split())
    left, choices = words, list[Choice]()
    for reader in (_from_end, _most, _size, _before, _place):
        left, found = reader(left)
        choices += found
    phrase = re.sub(r"^(?:the|an?)\s+", "", " ".join(left.split()).strip(" ,."), flags=re.IGNORECASE)
    if not choices or not phrase:
        return Route(query, query)
    return Route(query, phrase, tuple(choices))


Read = tuple[str, list[Choice]]


def _cut(text: str, match: re.Match[str], kept: str = " ") -> str:
    return text[: match.start()] + kept + text[match.end() :]


def _size(text: str) -> Read:
    match = _SIZE.search(text.lower())
    if match is None:
        return text, []
    words = {"smallest": "small", "tiniest": "small", "widest": "wide", "tallest": "tall"}
    nth = _ORDINALS.get(match["nth"] or "first", 1)
    return _cut(text, match), [Choice("size", words.get(match["word"], "large"), nth)]


def _most(text: str) -> Read:
    match = _MOST.search(text.lower())
    if match is None:
        return text, []
    ends = {"upper": "top", "lower": "bottom", "highest": "top", "lowest": "bottom"}
    word = match["word"] or match["low"]
    return _cut(text, match), [Choice("order", ends.get(word, word))]


def _from_end(text: str) -> Read:
    match = _FROM.search(text.lower())
    if match is None:
        return text, []
    thing = text[match.start("thing") : match.end("thing")]
    return _cut(text, match, thing), [Choice("order", match["word"], _ORDINALS[match["nth"]])]


def _before(text: str) -> Read:
    match = _BEFORE.search(text.lower())
    if match is None:
        return text, []
    return _cut(text, match), [Choice("place", _placed(match["v"], match["h"]))]


def _place(text: str) -> Read:
    match = _PLACE.search(text.lower())
    if match is None or not (match["v"] or match["h"]):
        return text, []
    # "on the left" without a word of the image means the patient's side, which is part of the name
    if not match["v"] and match["h"] in ("left", "right") and not _SHARED.search(match[0]):
        return text, []
    return _cut(text, match), [Choice("place", _placed(match["v"], match["h"]))]


def _placed(vertical: str | None, horizontal: str | None) -> str:
    names = {"top": "upper", "bottom": "lower", "center": "middle", "centre": "middle"}
    return " ".join(names.get(word, word) for word in (vertical, horizontal) if word)
