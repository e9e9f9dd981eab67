"""Scores a reading with words: an option, yes or no, or free text. Anything but "read" scores 0."""

from __future__ import annotations

from collections.abc import Mapping

from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Target
from foveate.evals.metrics.text import exact_match, token_score
from foveate.evals.scoring.faults import name_of


def score_option(reading: Reading, target: Target) -> Mapping[str, float]:
    """`accuracy` 1.0 when the one option that was read is the right one (letters and words without case)."""
    return {"accuracy": float(_right(reading, target))}


def score_text(reading: Reading, target: Target) -> Mapping[str, float]:
    """`exact_match`, and token `precision`, `recall` and `f1` against the accepted text that fits best."""
    accepted = _accepted(target)
    said = reading.value if reading.outcome == "read" and reading.value is not None else ""
    best = max((token_score(said, text) for text in accepted), key=lambda score: score.f1)
    return {
        "exact_match": float(any(exact_match(said, text) for text in accepted)),
        "token_precision": best.precision,
        "token_recall": best.recall,
        "token_f1": best.f1,
    }


def option_verdict(reading: Reading, target: Target) -> str:
    """ "correct", "wrong", or the reading's own outcome or fault."""
    if reading.outcome != "read":
        return name_of(reading)
    return "correct" if _right(reading, target) else "wrong"


def text_verdict(reading: Reading, target: Target) -> str:
    """ "correct" (exact match), "partly" (a word in common), "wrong", or the reading's outcome or fault."""
    if reading.outcome != "read":
        return name_of(reading)
    values = score_text(reading, target)
    if values["exact_match"]:
        return "correct"
    return "partly" if values["token_f1"] > 0 else "wrong"


def _right(reading: Reading, target: Target) -> bool:
    if reading.outcome != "read" or reading.value is None:
        return False
    return reading.value.casefold() in {text.strip().casefold() for text in _accepted(target)}


def _accepted(target: Target) -> tuple[str, ...]:
    accepted = (() if target.answer is None else (target.answer,)) + target.answers
    if not accepted:
        raise ValueError("the target has no answer to score against")
    return accepted
