"""Overlap of a free-text answer with a reference: exact match and token F1.

Rajpurkar et al. (SQuAD), arXiv 1606.05250: lower case, no punctuation, no English articles, words as a
multiset.
Knows no synonyms: for those a judge model is needed, and its verdicts are another metric.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

_ARTICLES = re.compile(r"\b(a|an|the)\b")


@dataclass(frozen=True)
class TokenScore:
    """Share of the answer's words found in the reference, of the reference's in the answer, and their F1."""

    precision: float
    recall: float
    f1: float


def words(text: str) -> list[str]:
    """The words that count. Punctuation is dropped, so that "X-ray" and "xray" are one word."""
    lowered = unicodedata.normalize("NFKC", text).lower()
    kept = "".join(c for c in lowered if not unicodedata.category(c).startswith("P"))
    return _ARTICLES.sub(" ", kept).split()


def exact_match(answer: str, reference: str) -> bool:
    """Whether the two are the same words in the same order, and there are any."""
    return words(answer) == words(reference) != []


def token_score(answer: str, reference: str) -> TokenScore:
    """Token precision, recall and F1. All 0 when either has no word: an empty answer earns nothing."""
    given, wanted = Counter(words(answer)), Counter(words(reference))
    shared = (given & wanted).total()
    if shared == 0:
        return TokenScore(0.0, 0.0, 0.0)
    precision, recall = shared / given.total(), shared / wanted.total()
    return TokenScore(precision, recall, 2 * precision * recall / (precision + recall))
