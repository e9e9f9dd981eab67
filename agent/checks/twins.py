"""A claim and its opposite as questions: mirrored where it names a direction, else denied.

The twin question of ProbMed (Yan et al., 2024) put at run time: who affirms both has seen neither. Knows no
model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foveate import prompts
from foveate.tools.checks.said import TURNED, read_claim, turned
from foveate.tools.checks.subjects import subjects


@dataclass(frozen=True)
class Twins:
    """Two questions of which only one can be answered with yes; `opposite` is the twin as a statement."""

    claim: str
    twin: str
    opposite: str


def twins(text: str, present: bool, labels: Sequence[str], style: str) -> Twins | None:
    """The questions in the words of a prompt style; None where that style has none for such a claim, and for
    a claim of a size, which only a tool can tell."""
    if read_claim(text).sizes:
        return None
    things = subjects(text, labels)
    if style == "compact":
        return _compact(text, present, things)
    table = prompts.table("checks/questions.toml")
    if present:
        opposite = turned(text) or _denied(text, things)
    else:
        opposite = table["statement"]["denied_claim"].format(claim=text)
    ask = table["full"]["claim"]
    return Twins(ask.format(claim=text), ask.format(claim=opposite), opposite)


def crop_question(text: str, labels: Sequence[str], style: str) -> str | None:
    """What a crop of a claim's evidence alone is asked; None where the claim names nothing to see."""
    things = subjects(text, labels)
    if not things:
        return None
    key = "presence" if style == "compact" else "crop"
    question: str = prompts.table("checks/questions.toml")[style][key]
    return question.format(a=" and ".join(things) if style == "full" else things[0])


def _compact(text: str, present: bool, things: Sequence[str]) -> Twins | None:
    table = prompts.table("checks/questions.toml")["compact"]
    said = read_claim(text)
    if present and said.relations and len(things) == 2:
        relation = said.relations[0]
        word = " ".join(TURNED.get(part, part) for part in relation.word.split())
        first, second = (word, relation.word) if relation.negated else (relation.word, word)
        if first in table and second in table:
            a, b = things
            ask = table[first].format(a=a, b=b), table[second].format(a=a, b=b)
            return Twins(*ask, turned(text) or text)
    return None


def _denied(text: str, things: Sequence[str]) -> str:
    table: dict[str, str] = prompts.table("checks/questions.toml")["statement"]
    if len(things) == 1 and len(things[0]) + 25 > len(text):
        return table["denied"].format(a=things[0])
    return table["denied_claim"].format(claim=text)
