"""Reads answers to the pocket questions, which are asked in plain words, by what Foveate's answer declares.

Foveate's own convention says it: abstaining because the thing is "not_visible" denies it, a claim tells
whether it is present, a side is told as image left or image right, and an answer about a relation names that
relation. Sees no ground truth.
"""

from __future__ import annotations

from foveate.evals.contract.answers import Prediction, Reading
from foveate.evals.contract.questions import Question
from foveate.evals.scoring.reading import read

SIDES = {"image left": "left", "image right": "right", "image middle": "middle"}
RELATIONS = {"left_of": "left of", "above": "above"}


def read_pocket(question: Question, prediction: Prediction) -> Reading:
    """The standard reading, but for presence, sides and relations."""
    asked = question.filters.get("asked", "")
    reading = read(question, prediction)
    if asked == "present":
        return _presence(prediction, reading)
    if reading.outcome != "read":
        return reading
    if asked == "side":
        return _side(prediction, reading)
    if asked in RELATIONS and RELATIONS[asked] not in prediction.text.lower():
        return _unreadable("not_offered", "the answer is about another relation")
    return reading


def _presence(prediction: Prediction, reading: Reading) -> Reading:
    """Yes or no in words; else what the answer's first claim, or its reason for abstaining, says."""
    if reading.outcome == "abstained" and prediction.reason == "not_visible":
        return Reading("read", "no", confidence=prediction.confidence)
    if reading.outcome == "unreadable" and prediction.claims and prediction.stopped_by == "answer":
        said = "yes" if prediction.claims[0].present else "no"
        return Reading("read", said, prediction.regions, prediction.confidence)
    return reading


def _side(prediction: Prediction, reading: Reading) -> Reading:
    """The one side that is named; naming several or none is no answer."""
    named = {side for words, side in SIDES.items() if words in prediction.text.lower()}
    if len(named) != 1:
        return _unreadable("ambiguous" if named else "unparseable", "no single side is named")
    return Reading("read", named.pop(), reading.regions, reading.confidence)


def _unreadable(fault: str, why: str) -> Reading:
    return Reading("unreadable", detail={"fault": fault, "why": why})
