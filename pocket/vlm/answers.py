"""The arguments of the final `answer`, in the words of prompts/pocket/answers.json.

Knows no question and no tool.
"""

from __future__ import annotations

import json
from typing import Any

from foveate import prompts

Answer = dict[str, Any]


def answer_text(key: str, **values: object) -> str:
    """A line of prompts/pocket/answers.json."""
    line: str = json.loads(prompts.text("pocket/answers.json"))[key]
    return line.format(**values)


def claim(text: str, *evidence: str, present: bool = True) -> dict[str, Any]:
    body: dict[str, Any] = {"text": text, "evidence": list(evidence)}
    return body if present else {**body, "present": False}


def answered(text: str, claims: list[dict[str, Any]], confidence: str) -> Answer:
    return {"text": text, "claims": claims, "confidence": round(float(confidence), 2)}


def declined(text: str, reason: str, confidence: float = 0.9) -> Answer:
    return {"text": text, "claims": [], "confidence": confidence, "abstained": True, "reason": reason}
