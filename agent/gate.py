"""What becomes of the quality gate's verdicts: an unusable image is not asked about, a poor one costs
confidence.

The verdicts are made when a question is opened (`opening.py`), from the slices that open it. Knows no graph
and measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foveate import prompts
from foveate.agent.answer import GroundedAnswer
from foveate.agent.state import AgentState

STOP = "quality"
"""`stopped_by` of a question that was not asked because of the image."""
POOR = 0.8
"""What the confidence of an answer is multiplied by when an image is merely usable: a convention that says
"less sure", not a calibration."""


def unusable(state: AgentState) -> str | None:
    """Why no image of the conversation can be used, in words; None while one of them can."""
    found = list(state.get("quality", {}).values())
    if not found or any(one["verdict"] != "reject" for one in found):
        return None
    return _words(found[-1])


def refusal(reason: str) -> GroundedAnswer:
    """The abstention that takes the place of an answer."""
    text = prompts.fill("unusable.txt", reason=reason)
    return GroundedAnswer(text=text, abstained=True, reason="image_unusable", confidence=0.0)


def lowered(answer: GroundedAnswer, state: AgentState) -> GroundedAnswer:
    """The answer, less sure where an image is not good."""
    poor = any(one["verdict"] != "good" for one in state.get("quality", {}).values())
    if not poor or answer.confidence is None:
        return answer
    return answer.model_copy(update={"confidence": round(answer.confidence * POOR, 4)})


def faults(state: AgentState) -> list[dict[str, Any]]:
    """Every opening view that is not good: its id, the verdict, the reasons in words and the worst place."""
    return [
        {"view": view, "verdict": one["verdict"], "reason": _words(one), "where": one["where"]}
        for view, one in state.get("quality", {}).items()
        if one["verdict"] != "good"
    ]


def _words(record: Mapping[str, Any]) -> str:
    named = prompts.table("quality.toml")["reasons"]
    return ", ".join(str(named[reason]) for reason in record["reasons"])
