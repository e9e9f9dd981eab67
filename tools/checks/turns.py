"""Claims against the claims of earlier answers: the same thing there and not there, or on the other side.

Two claims are compared only where they are about the same slice. Knows no image.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from foveate.tools.checks.said import TURNED, Said, read_claim
from foveate.tools.checks.subjects import subjects

Slice = tuple[str, str, int]


@dataclass(frozen=True)
class Stated:
    """A claim with the slices (image, plane, index) that it is about."""

    text: str
    present: bool
    slices: frozenset[Slice]


def contradicted(claim: Stated, earlier: Sequence[Stated]) -> Stated | None:
    """The newest earlier claim that cannot be true together with this one, None where there is none."""
    return next((old for old in reversed(earlier) if _opposed(claim, old)), None)


def _opposed(one: Stated, other: Stated) -> bool:
    if not one.slices & other.slices:
        return False
    names, others = set(subjects(one.text)), set(subjects(other.text))
    if not names or names != others:
        return False
    said, told = read_claim(one.text), read_claim(other.text)
    if one.present != other.present:
        absent = other if one.present else one
        # "no large nodule" and "a nodule" may both be true
        return _bare(absent.text)
    return one.present and (_other_side(said, told) or _other_relation(said, told))


def _bare(text: str) -> bool:
    return not re.search(
        r"\b(?:other|further|additional|more|large|enlarged|suspicious|second|definite)\b", text.lower()
    )


def _other_side(said: Said, told: Said) -> bool:
    mine = {(s.terms, s.side) for s in said.sides if not s.negated and s.terms != "anatomy"}
    theirs = {(s.terms, s.side) for s in told.sides if not s.negated and s.terms != "anatomy"}
    return any((terms, TURNED[side]) in theirs and (terms, side) not in theirs for terms, side in mine)


def _other_relation(said: Said, told: Said) -> bool:
    mine = {(r.word, r.negated) for r in said.relations}
    theirs = {(r.word, r.negated) for r in told.relations}
    return any((word, not negated) in theirs for word, negated in mine)
