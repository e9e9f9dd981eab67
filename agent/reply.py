"""Reads a model's reply while it is being written: its prose, and the text of the answer inside a call.

Knows the two forms in which calls are written (messages with call chunks, Hermes blocks in the text); what a
finished reply means is `models/parsing.py`, and nothing here decides that.
"""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessageChunk
from pydantic_core import from_json

OPENING = "<tool_call>"
FENCE = "```"


class ReplyStream:
    """Takes the chunks of one reply and gives what is new in "text" (prose) and in "answer" (its text)."""

    def __init__(self) -> None:
        self._content = ""
        self._calls: dict[int, dict[str, str]] = {}
        self._told = {"text": 0, "answer": 0}

    def feed(self, chunk: AIMessageChunk) -> list[tuple[str, str]]:
        self._content += chunk.text
        for part in chunk.tool_call_chunks:
            call = self._calls.setdefault(part.get("index") or 0, {"name": "", "args": ""})
            call["name"] += part.get("name") or ""
            call["args"] += part.get("args") or ""
        fresh = [("text", self._prose()), ("answer", self._answer())]
        return [(channel, delta) for channel, whole in fresh if (delta := self._new(channel, whole))]

    def _new(self, channel: str, whole: str) -> str:
        delta = whole[self._told[channel] :]
        self._told[channel] += len(delta)
        return delta

    def _prose(self) -> str:
        """The text before the first call; the start of a mark that is not yet whole is held back."""
        text = self._content
        for mark in (OPENING, FENCE, "<think>"):
            text = text.split(mark, 1)[0]
            for length in range(len(mark) - 1, 0, -1):
                if text.endswith(mark[:length]):
                    text = text[:-length]
                    break
        return text

    def _answer(self) -> str:
        for call in self._calls.values():
            if call["name"] == "answer":
                return _text_of(_partial(call["args"]))
        if OPENING not in self._content:
            return ""
        called = _partial(self._content.split(OPENING, 1)[1])
        if isinstance(called, dict) and called.get("name") == "answer":
            return _text_of(called.get("arguments"))
        return ""


def _text_of(arguments: Any) -> str:
    text = arguments.get("text") if isinstance(arguments, dict) else None
    return text if isinstance(text, str) else ""


def _partial(text: str) -> Any:
    try:
        return from_json(text.split("</tool_call>", 1)[0], allow_partial="trailing-strings")
    except ValueError:
        return None  # not yet, or never, a JSON object
