"""What a claim is about: the noun phrases that a grounder could be asked for.

By rule on short English sentences; the names of the evidence help where the claim uses them. Knows no image.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from foveate.tools.checks.said import read_claim

_FRAME = re.compile(
    r"^(?:(?:yes|no)[,.;:]\s*)?(?:there\s+(?:is|are|was|were)\s+|this\s+(?:image|slice)\s+shows\s+"
    r"|(?:(?:the\s+)?(?:image|slice|scan|view)\s+)?shows\s+|i\s+see\s+)?"
    r"(?:not\s+)?(?:no\s+evidence\s+of\s+|no\s+|without\s+|absence\s+of\s+)?"
)
_DETERMINER = re.compile(r"^(?:an?|the|any|some|one|two|three|four|both|several|multiple|\d)\s+")
_VERB = re.compile(
    r"\s+(?:is|are|was|were|measures?|measuring|lies|lie|appears?|can|cannot|could|has|have|occup\w+|seen|"
    r"visible|present|absent|shown|shows?|located|situated|extends?|there|here|sits|projects?|noted|found)\b.*$"
)
_TAIL = re.compile(
    r"\s+(?:on|in|at|of\s+(?:about|around|approximately)|with|within|near|next|along|towards?|from|which|that"
    r"|as)\b.*$"
)
_PRONOUN = frozenset(
    ("it", "this", "that", "they", "these", "both", "one", "finding", "structure", "region", "")
)


def subjects(text: str, labels: Sequence[str] = ()) -> tuple[str, ...]:
    """The things that the claim names, in its order; empty where it names none ("It measures 3 mm")."""
    words = " ".join(re.sub(r"\(?\be\d+\b\)?", " ", text.lower()).replace("’", "'").split()).strip(" .")
    said = read_claim(words)
    if said.relations:
        first = said.relations[0]
        parts = [_phrase(first.before), _phrase(first.after)]
        return tuple(part for part in parts if part)
    phrase = _phrase(words)
    if phrase:
        return (phrase,)
    named = [
        label.lower() for label in labels if label and re.search(rf"\b{re.escape(label.lower())}\b", words)
    ]
    return tuple(dict.fromkeys(named))


def _phrase(words: str) -> str:
    rest = _FRAME.sub("", words.strip(" ,.;"), count=1)
    rest = _DETERMINER.sub("", _VERB.sub("", " " + rest).strip())
    side = _sided(rest)
    rest = re.sub(r"\s+of the (?:left|right) side\b", "", _TAIL.sub("", rest))
    rest = re.sub(r"\b(?:clearly|probably|likely|possibly)\b|[,;:(].*$", "", rest)
    rest = " ".join(rest.replace("'s", "").split())
    rest = re.sub(r"^(?P<h>left|right)[\s-]sided\s+", r"\g<h> ", rest)
    rest = re.sub(r"^patient (left|right)\b", r"\1", rest)
    if rest in _PRONOUN or re.search(r"\d", rest) or len(rest) > 80:
        return ""
    return f"{side} {rest}" if side and not re.match(r"left|right", rest) else rest


def _sided(words: str) -> str:
    """The side in "kidney of the left side", which the tail's end would cut off."""
    match = re.search(r"\bof the (left|right) side\b", words)
    return match[1] if match else ""
