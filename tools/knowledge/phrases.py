"""From a report in words to the phrases in it that can be pointed at.

Sentences are split at their ends; the phrases of a sentence are the findings and structures that the
knowledge base knows by name, with their side, and whether the sentence denies them. Knows no image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from foveate.tools.knowledge.base import mentions

MAX_SENTENCES = 200
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])|\n\s*\n|\n\s*(?:[-*•]|\d+[.)])\s+")
_HEADING = re.compile(
    r"^\s*(?:findings?|impression|conclusion|report|comparison|technique|indication|history)\s*:\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Phrase:
    """Something that a sentence names. `text` is what to ground: its words, its side first."""

    text: str
    negated: bool


@dataclass(frozen=True)
class Sentence:
    """One sentence of a report and its phrases, in order."""

    text: str
    phrases: tuple[Phrase, ...]


def sentences(report: str) -> list[Sentence]:
    """The sentences of a report with their phrases. Raises ValueError for none or too many of them."""
    parts = [_HEADING.sub("", part).strip(" \t\n-*•") for part in _END.split(report)]
    lines = [" ".join(part.split()) for part in parts]  # names run over the ends of lines
    made = [Sentence(line, _phrases(line)) for line in lines if line]
    if not made:
        raise ValueError("the report has no sentence")
    if len(made) > MAX_SENTENCES:
        raise ValueError(f"the report has {len(made)} sentences; at most {MAX_SENTENCES} are read")
    return made


def _phrases(text: str) -> tuple[Phrase, ...]:
    """Findings before structures: where a sentence has a finding, its structures only say where it is."""
    named = mentions(text)
    findings = [mention for mention in named if mention.entry.kind == "finding"]
    told = [Phrase(_worded(text[m.start : m.end], m.side), m.negated) for m in findings or named]
    return tuple(dict.fromkeys(told))


def _worded(words: str, side: str) -> str:
    lowered = " ".join(words.lower().replace("-sided", "").split())
    return lowered if not side or lowered.startswith(side) else f"{side} {lowered}"
