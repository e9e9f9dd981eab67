"""Reading, scoring and verdict by the kind of question: what a task without rules of its own uses.

The signatures are those of `foveate.evals.contract.tasks.Task`: reading is not given the target.
"""

from __future__ import annotations

from collections.abc import Mapping

from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Question, Target
from foveate.evals.scoring import boxes, words
from foveate.evals.scoring.reading import read

__all__ = ["read", "score", "verdict"]


def score(question: Question, reading: Reading, target: Target) -> Mapping[str, float]:
    """Per-sample values by metric name; see `boxes` and `words`."""
    if question.kind in ("choice", "yes_no"):
        return words.score_option(reading, target)
    if question.kind in ("text", "report"):
        return words.score_text(reading, target)
    return (boxes.score_solids if question.kind == "regions_3d" else boxes.score_boxes)(reading, target)


def verdict(question: Question, reading: Reading, target: Target) -> str:
    """One word for what became of the sample, for the table of outcomes and the report's filters."""
    if question.kind in ("choice", "yes_no"):
        return words.option_verdict(reading, target)
    if question.kind in ("text", "report"):
        return words.text_verdict(reading, target)
    return boxes.verdict(reading, target)
