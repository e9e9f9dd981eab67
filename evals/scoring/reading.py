"""Reads a prediction of the agent as an answer of the kind that was asked for. Sees no ground truth.

One declared form, nothing else: what does not parse is a named fault and never a guess. Never raises for
what a model wrote. The order is fixed: a failed run, an abstention and a stopped run are told before the
words are looked at, so that an abstention with a guess in it is still an abstention.
"""

from __future__ import annotations

from dataclasses import replace

from foveate.evals.contract.answers import Prediction, Reading
from foveate.evals.contract.questions import Question
from foveate.evals.metrics.choices import Choice, Form, read_choice, read_yes_no
from foveate.evals.scoring.faults import refused_or, spoken, unreadable


def read(question: Question, prediction: Prediction, form: Form | None = None) -> Reading:
    """The reading by the question's kind.

    `form` is where the prompt told the model to put the option: by default the whole reply for a choice, the
    first word for yes or no. It is not used for boxes and text.
    """
    if question.kind in ("boxes", "regions_3d"):
        return replace(read_boxes(prediction), heatmap=prediction.heatmap)
    if question.kind == "choice":
        return read_option(question, prediction, form or "whole")
    if question.kind == "yes_no":
        return read_option(question, prediction, form or "first_word")
    return read_words(prediction)


def read_boxes(prediction: Prediction) -> Reading:
    """The boxes that claims of presence cite. Without any, "no_box", with `absent` True in its detail only if
    the answer denies something and asserts nothing: silence is no denial.
    """
    ended = _ended(prediction)
    if ended is not None:
        return ended
    if prediction.regions:
        return Reading("read", regions=prediction.regions, confidence=prediction.confidence)
    denied = bool(prediction.claims) and not any(claim.present for claim in prediction.claims)
    plain = spoken(prediction.text)
    if isinstance(plain, Reading):
        return plain
    reading = refused_or(plain, "unparseable")
    if reading.outcome == "refused" and not denied:
        return reading
    return Reading("no_box", confidence=prediction.confidence, detail={"absent": denied})


def read_option(question: Question, prediction: Prediction, form: Form) -> Reading:
    """The letter of `question.options`, or "yes" or "no", in the declared form."""
    text = _said(prediction)
    if isinstance(text, Reading):
        return text
    yes_no = question.kind == "yes_no"
    choice = read_yes_no(text, form) if yes_no else read_choice(text, question.options, form)
    return _option(choice, text, prediction)


def read_words(prediction: Prediction) -> Reading:
    """The words of a free answer or report, thoughts left out. Regions go with them, for grounded reports."""
    text = _said(prediction)
    if isinstance(text, Reading):
        return text
    return Reading("read", text, prediction.regions, prediction.confidence)


def _option(choice: Choice, text: str, prediction: Prediction) -> Reading:
    if choice.option is not None:
        return Reading("read", choice.option, prediction.regions, prediction.confidence)
    return refused_or(text, choice.fault or "unparseable")


def _said(prediction: Prediction) -> str | Reading:
    """The words of an answer, thoughts left out; or the reading of a run that has none."""
    return _ended(prediction) or spoken(prediction.text)


def _ended(prediction: Prediction) -> Reading | None:
    """The reading of a run that gave no answer; None when there is an answer to read."""
    if prediction.stopped_by == "model_error":
        return Reading("failed")
    if not prediction.abstained:
        return None
    if prediction.stopped_by == "answer":
        return Reading("abstained", confidence=prediction.confidence, detail={"reason": prediction.reason})
    if prediction.stopped_by == "repairs":
        return unreadable("no_legal_answer", "no reply of the model was a legal answer")
    return Reading("stopped", detail={"stopped_by": prediction.stopped_by})
