"""One more question to the model: a few views, one look, no tools, within the time that is left.

What comes back is read as yes or no, or as words. Knows no check and no graph.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable

from foveate.agent import observe
from foveate.agent.answer import AnswerError, read_answer
from foveate.agent.models.parsing import message_text, parse_reply
from foveate.agent.models.profiles import Profile
from foveate.agent.workers import run_all
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View

_YES = re.compile(r"^\W*(?:yes|true|correct)\b", re.IGNORECASE)
_NO = re.compile(r"^\W*(?:no|not|false|incorrect)\b", re.IGNORECASE)
_SEEN = r"(?:visible|seen|shown|present)\b"
_SHOWS = re.compile(rf"\b(?:is|are)\s+(?:clearly\s+)?{_SEEN}", re.IGNORECASE)
_LACKS = re.compile(rf"\b(?:is|are)(?:\s+not|n['’]t)\s+(?:clearly\s+)?{_SEEN}", re.IGNORECASE)


@dataclass(frozen=True)
class Look:
    """What the model said. `says` is "yes", "no" or "" for neither; `usage` is as `refine` tells it."""

    text: str = ""
    says: str = ""
    error: str | None = None
    seconds: float = 0.0
    usage: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class OneLook:
    """`model` takes messages, with the answer tool bound where the family calls tools; `schemas` is that
    tool's schema, for families that are told of it in words."""

    model: Runnable[Any, Any]
    profile: Profile
    store: ImageStore
    png: Callable[[View], str]
    schemas: str = ""
    show_pixels: bool = True

    def ask(self, question: str, views: Sequence[View], seconds: float) -> Look:
        """What the model says of the views within so many seconds. Never raises for what the model does."""
        messages = self._messages(question, views)
        [outcome] = run_all([lambda: self.model.invoke(messages)], seconds)
        reply = outcome.value
        if outcome.late:
            return Look(error="the time was over", seconds=outcome.seconds, usage=_usage(None))
        if not isinstance(reply, AIMessage):
            name = type(outcome.error or reply).__name__
            return Look(error=f"the model failed with {name}", seconds=outcome.seconds, usage=_usage(None))
        text, error = self._read(reply)
        return Look(text, said(text), error, outcome.seconds, _usage(reply))

    def _messages(self, question: str, views: Sequence[View]) -> list[BaseMessage]:
        named = {f"V{n}": view for n, view in enumerate(views)}
        images = {view.image_id: self.store.get(view.image_id) for view in views}
        lines = {n: observe.view_line(self.profile, n, v, images[v.image_id]) for n, v in named.items()}
        asked: list[Any] = [
            observe.system_message(self.profile, False, self.schemas),
            observe.question_message(self.profile, question, lines),
        ]
        return observe.with_pixels(asked, lambda name: self.png(named[name])) if self.show_pixels else asked

    def _read(self, reply: AIMessage) -> tuple[str, str | None]:
        parsed = parse_reply(reply, self.profile)
        if parsed.answer is None:
            # a yes in plain words is an answer too, whatever form was asked for
            plain = message_text(reply).strip()
            return (plain, None) if said(plain) else ("", parsed.error or "the model called a tool")
        try:
            given = read_answer(parsed.answer)
        except AnswerError as error:
            return "", str(error)
        if given.abstained and said(given.text) != "no":
            return "", "the model abstained"
        return given.text, None


def said(text: str) -> str:
    """What a reply means: "yes", "no" or "" for neither. By its first word, else by "is visible" or "is not
    visible", the way in which a model that was taught sentences answers."""
    if _NO.search(text) or (_LACKS.search(text) and not _YES.search(text)):
        return "no"
    return "yes" if _YES.search(text) or _SHOWS.search(text) else ""


def _usage(reply: AIMessage | None) -> dict[str, int]:
    used = reply.usage_metadata if reply is not None else None
    given, made = (used["input_tokens"], used["output_tokens"]) if used else (0, 0)
    return {"input_tokens": given, "output_tokens": made, "calls": 1, "unreported": int(not used)}
