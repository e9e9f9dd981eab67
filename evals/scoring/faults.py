"""Why a reply could not be read: every reason has a name of its own, and none of them earns credit.

Refusals are recognised by their usual words. That only sorts replies that earn nothing in any case into
"refused" and "unreadable", so the list cannot be gamed and need not be complete. Knows no ground truth.
"""

from __future__ import annotations

import re
from typing import Literal

from foveate.evals.contract.answers import Reading

Fault = Literal[
    "empty",  # nothing, or nothing but thoughts
    "cut_off",  # a thought or an answer tag that does not end
    "malformed_box",  # the declared form is begun and not kept
    "other_form",  # boxes in the form of another family
    "off_scale",  # numbers that the declared scale does not have
    "outside_image",  # pixels that the image does not have
    "degenerate_box",  # empty or reversed
    "unparseable",  # an answer, but in no declared form
    "ambiguous",  # more than one option
    "not_offered",  # an option that was not offered
    "no_legal_answer",  # the agent used up its repairs
]

_REFUSAL = re.compile(
    r"\bas an ai\b|\bi(?:'m| am) sorry\b"
    r"|\b(?:cannot|can't|can not|won't|will not|unable to|not able to)"
    r" (?:assist|help|provide|comply|diagnose|interpret|analy[sz]e|give medical)"
    r"|\b(?:not qualified|not a doctor|not a medical professional)\b",
    re.IGNORECASE,
)
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
MAX_WHY = 200


def unreadable(fault: Fault, why: str = "") -> Reading:
    """A reading without an answer; `why` says what was wrong, without quoting more than a little."""
    return Reading("unreadable", detail={"fault": fault, "why": why[:MAX_WHY]})


def refused_or(reply: str, fault: Fault, why: str = "") -> Reading:
    """The reading of a reply that could not be read: a refusal if it sounds like one."""
    return Reading("refused") if is_refusal(reply) else unreadable(fault, why)


def is_refusal(reply: str) -> bool:
    """Whether a reply declines to answer, by its usual words in English."""
    return _REFUSAL.search(reply.replace("’", "'")) is not None


def spoken(reply: str) -> str | Reading:
    """The reply without its closed <think> blocks, stripped; or the fault when nothing is left to read."""
    rest = _THOUGHT.sub("", reply).strip()
    if "<think>" in rest:
        return unreadable("cut_off", "<think> is not closed")
    return rest or unreadable("empty")


def name_of(reading: Reading) -> str:
    """What is counted: the fault of an unreadable reply, an explicit absence, or else the outcome."""
    if reading.outcome == "no_box" and reading.detail.get("absent"):
        return "absent"
    return str(reading.detail.get("fault") or reading.outcome)
