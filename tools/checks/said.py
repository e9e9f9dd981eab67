"""What a claim says in sides, sizes, counts and relations: read from its words by rule.

Reads the plain English that models and reports use; what it does not know it leaves out, so that silence
never refutes a claim. Knows no image and no box.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Terms = Literal["image", "patient", "anatomy"]
Unit = Literal["mm", "pixels"]
SizeKind = Literal["length", "width", "height", "area", "foreign"]
_SHOWN = r"(?:image|picture|slice|view|screen|frame|scan|radiograph|film|photo|photograph)"
_PERSON = r"(?:patient|body|person|subject|midline)"
_PART = r"(?:\s+(?:side|half|part|portion|third|edge|margin|corner|quadrant))?"
_NOT_BEFORE = re.compile(
    r"\bnot(?:\s+(?:located|seen|lying|situated|visible|really))?(?:\s+(?:on|in|at|to))?(?:\s+the)?\s*$"
)
_WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_MM = {"mm": 1.0, "cm": 10.0}


@dataclass(frozen=True)
class Side:
    """`side`: left, right, top or bottom. `terms`: of the image, of the patient, or in a structure's name
    ("left kidney")."""

    side: str
    terms: Terms
    negated: bool = False


@dataclass(frozen=True)
class Size:
    """Numbers of one size in mm or pixels (areas in their squares), `slack` half of the last digit stated.

    `bound` is "" for a stated size, "above" or "below" for a limit. A "foreign" kind (a volume, a distance)
    is one that no tool measures.
    """

    numbers: tuple[float, ...]
    unit: Unit
    slack: float
    kind: SizeKind = "length"
    bound: str = ""
    text: str = ""


@dataclass(frozen=True)
class Relation:
    """`word` of `RELATIONS`; `before` and `after` are the claim's words on either side of it."""

    word: str
    before: str
    after: str
    negated: bool = False


@dataclass(frozen=True)
class Said:
    """All that was read of one claim."""

    sides: tuple[Side, ...] = ()
    sizes: tuple[Size, ...] = ()
    relations: tuple[Relation, ...] = ()
    count: tuple[int, str] | None = None


RELATIONS = {
    "left of": r"(?:to\s+the\s+|on\s+the\s+)?left(?:\s+side)?\s+of",
    "right of": r"(?:to\s+the\s+|on\s+the\s+)?right(?:\s+side)?\s+of",
    "above": r"above|higher(?:\s+in\s+the\s+image)?\s+than|over",
    "below": r"below|beneath|underneath|lower(?:\s+in\s+the\s+image)?\s+than|under",
    "larger": r"(?:larger|bigger|greater)(?:\s+in\s+(?:size|area))?\s+than",
    "smaller": r"smaller(?:\s+in\s+(?:size|area))?\s+than",
    "anterior": r"anterior\s+to|ventral\s+to|in\s+front\s+of",
    "posterior": r"posterior\s+to|dorsal\s+to|behind",
    "superior": r"superior\s+to|cranial\s+to|cephalad\s+to",
    "inferior": r"inferior\s+to|caudal\s+to",
}
_RELATION = re.compile(
    r"\b(?P<not>not\s+)?(?:located\s+|lying\s+|situated\s+)?(?:"
    + "|".join(f"(?P<r{n}>{words})" for n, words in enumerate(RELATIONS.values()))
    + rf")\b(?!\s+(?:the\s+|this\s+)?(?:{_SHOWN}|{_PERSON})\b)(?!\s+\d)"
)
_IMAGE_SIDE = (
    re.compile(rf"\b{_SHOWN}(?:'s)?[\s-]+(?:(?P<v>upper|top|lower|bottom)[\s-]+)?(?P<h>left|right)\b"),
    re.compile(rf"\b{_SHOWN}(?:'s)?[\s-]+(?P<v>upper|top|lower|bottom)\b"),
    re.compile(
        rf"\b(?P<v>upper|top|lower|bottom)(?:[\s-]+(?P<h>left|right))?(?:[\s-]hand)?{_PART}"
        rf"\s+of\s+(?:the\s+|this\s+)?{_SHOWN}\b"
    ),
    re.compile(rf"\b(?P<h>left|right)(?:[\s-]hand)?{_PART}\s+of\s+(?:the\s+|this\s+)?{_SHOWN}\b"),
    re.compile(r"\bviewer'?s?'?\s+(?P<h>left|right)\b"),
)
_PATIENT_SIDE = (
    re.compile(rf"\b{_PERSON}(?:'s)?[\s-]+(?P<h>left|right)(?:[\s-]hand)?(?:\s+side)?\b"),
    re.compile(rf"\b(?P<h>left|right)(?:[\s-]hand)?{_PART}\s+of\s+(?:the\s+)?{_PERSON}\b"),
    re.compile(r"\b(?P<h>left|right)[\s-]+sided\b"),
    re.compile(
        r"\b(?:on|to|at|in)\s+the\s+(?P<h>left|right)(?:[\s-]hand)?(?:\s+(?:side|half))?(?=\s*(?:[.,;:)]|$|and\b|with\b|\())"
    ),
    re.compile(r"\bside(?:\s+is|:)\s+(?:the\s+)?(?P<h>left|right)\b"),
)
_NAMED_SIDE = re.compile(r"\b(?P<h>left|right)\s+(?!(?:and|or|side|half|hand|of|to)\b)[a-z]+")
_NUMBER = r"(\d+(?:[.,]\d+)?)"
_UNIT = r"(mm|cm|millimet(?:er|re)s?|centimet(?:er|re)s?|pixels?|px)"
_SQUARED = re.compile(r"^\s*(?:2\b|²|\^2)|^\s*squared")
_AREA_FIRST = re.compile(r"(?:square|sq\.?)\s*$")
_LENGTHS = re.compile(
    rf"(?P<bound>\b(?:larger|greater|more|longer|smaller|less|shorter|at\s+least|at\s+most|up\s+to|over|under)"
    rf"(?:\s+than)?\s+|[<>≥≤]\s*)?(?<![\w.]){_NUMBER}(?:\s*(?:mm|cm)?\s*(?P<join>x|×|by|\*|to|-|–)\s*{_NUMBER})?"
    rf"(?:\s*(?:mm|cm)?\s*(?:x|×|by|\*)\s*{_NUMBER})?\s*-?\s*{_UNIT}(?P<square>\s*(?:²|\^2|2\b|squared)?)"
)
_VOLUME = re.compile(rf"(?<![\w.]){_NUMBER}\s*(ml|cc|cm3|cm³|mm3|mm³|litres?|liters?)\b")
_COUNTED = re.compile(
    r"\b(two|three|four|five|six|seven|eight|nine|ten|[2-9])\s+((?:[a-z-]+\s+){0,2}?[a-z-]+s)\b"
)
_DISTANCE = re.compile(
    r"^\s*(?:away|apart|from|above|below|to\s+the|lateral|medial|anterior|posterior|deep)\b"
)


def read_claim(text: str) -> Said:
    """Sides, sizes, relations and the count that a claim's words state."""
    words = " ".join(text.lower().replace("’", "'").split())
    sizes, left = _sizes(words)
    relations, left = _relations(left)
    return Said(tuple(_sides(left)), tuple(sizes), tuple(relations), _count(left))


TURNED = {
    one: other
    for pair in (
        ("left", "right"), ("upper", "lower"), ("top", "bottom"), ("above", "below"), ("higher", "lower"),
        ("over", "under"), ("larger", "smaller"), ("anterior", "posterior"), ("ventral", "dorsal"),
        ("superior", "inferior"), ("cranial", "caudal"),
    )
    for one, other in (pair, pair[::-1])
}  # fmt: skip
TURNED |= {
    "bigger": "smaller",
    "greater": "smaller",
    "lower": "upper",
    "lower than": "higher than",
    "lower in the image than": "higher in the image than",
    "beneath": "above",
    "underneath": "above",
}
"""Each word of direction and its opposite."""
_DIRECTION = re.compile(r"\b(?:" + "|".join(sorted(TURNED, key=len, reverse=True)) + r")\b", re.IGNORECASE)


def turned(text: str) -> str | None:
    """The claim with its sides and relations turned into their opposites; None where it states none.

    A side in a structure's name stays: the left and the right kidney may both be there.
    """
    lowered, spans = text.lower(), []
    for pattern in (_RELATION, *_IMAGE_SIDE, *_PATIENT_SIDE):
        spans += [match.span() for match in pattern.finditer(lowered)]
    if not spans or len(lowered) != len(text):
        return None
    turns = [m for m in _DIRECTION.finditer(text) if any(a <= m.start() and m.end() <= b for a, b in spans)]
    for match in reversed(turns):
        text = text[: match.start()] + _cased(TURNED[match[0].lower()], match[0]) + text[match.end() :]
    return text if turns else None


def _cased(word: str, like: str) -> str:
    return word.capitalize() if like[0].isupper() else word


def _blank(text: str, start: int, end: int) -> str:
    return text[:start] + ";" * (end - start) + text[end:]


def _relations(text: str) -> tuple[list[Relation], str]:
    found, left = [], text
    for match in _RELATION.finditer(text):
        word = next(name for n, name in enumerate(RELATIONS) if match[f"r{n}"])
        before, after = text[: match.start()], text[match.end() :]
        found.append(Relation(word, before, after, bool(match["not"]) or bool(_NOT_BEFORE.search(before))))
        left = _blank(left, match.start(), match.end())
    return found, left


def _sides(text: str) -> list[Side]:
    found, left = [], text
    for terms, patterns in (("image", _IMAGE_SIDE), ("patient", _PATIENT_SIDE), ("anatomy", (_NAMED_SIDE,))):
        for pattern in patterns:
            for match in pattern.finditer(left):
                negated = bool(_NOT_BEFORE.search(left[: match.start()]))
                told = match.groupdict()
                if told.get("h"):
                    found.append(Side(told["h"], terms, negated))  # type: ignore[arg-type]
                if told.get("v"):
                    side = "top" if told["v"] in ("upper", "top") else "bottom"
                    found.append(Side(side, terms, negated))  # type: ignore[arg-type]
            left = pattern.sub(lambda match: ";" * len(match[0]), left)
    return list(dict.fromkeys(found))


def _sizes(text: str) -> tuple[list[Size], str]:
    found, left = [], text
    for match in _VOLUME.finditer(text):
        found.append(Size((_value(match[1]),), "mm", 0.0, "foreign", text=match[0]))
        left = _blank(left, match.start(), match.end())
    for match in _LENGTHS.finditer(left):
        found.append(_size(left, match))
    left = _LENGTHS.sub(lambda match: ";" * len(match[0]), left)
    return found, left


def _size(text: str, match: re.Match[str]) -> Size:
    raw = [number for number in (match[2], match[4], match[5]) if number]
    unit = match[6]
    scale = _MM["cm" if unit.startswith("c") else "mm"] if unit[0] in "mc" else 1.0
    squared = bool(match["square"].strip()) or bool(_AREA_FIRST.search(text[: match.start(6)]))
    slack = max(0.5 * scale * 10.0 ** -_decimals(number) for number in raw)
    numbers = tuple(_value(number) * (scale**2 if squared else scale) for number in raw)
    ranged = match["join"] in ("to", "-", "–") and len(numbers) == 2
    kind: SizeKind = "area" if squared else _kind(text, match)
    return Size(
        numbers=(min(numbers), max(numbers)) if ranged else numbers,
        unit="mm" if unit[0] in "mc" else "pixels",
        slack=slack * (scale if squared else 1.0),
        kind=kind,
        bound="range" if ranged else _bound(match["bound"]),
        text=match[0].strip(),
    )


def _kind(text: str, match: re.Match[str]) -> SizeKind:
    after = text[match.end() :]
    if _DISTANCE.match(after):
        return "foreign"
    if len([n for n in (match[2], match[4], match[5]) if n]) > 1:
        return "length"
    for near in (after[:14], text[max(0, match.start() - 20) : match.start()]):
        if re.search(r"\b(?:wide|width|breadth)\b", near):
            return "width"
        if re.search(r"\b(?:high|height|tall)\b", near):
            return "height"
    return "length"


def _bound(words: str | None) -> str:
    if not words:
        return ""
    return "below" if re.search(r"small|less|short|most|up to|under|[<≤]", words) else "above"


def _value(text: str) -> float:
    return float(text.replace(",", "."))


def _decimals(text: str) -> int:
    return len(re.split(r"[.,]", text)[1]) if re.search(r"[.,]", text) else 0


def _count(text: str) -> tuple[int, str] | None:
    match = _COUNTED.search(text)
    return None if match is None else (_WORDS.get(match[1]) or int(match[1]), match[2])
