"""Asking the model again, several times with semantic sampling: what stands behind the tool `refine`.

One view, one question, one look each; the time that is left ends it. Knows no graph and no tool.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from foveate.agent import observe
from foveate.agent.answer import AnswerError, read_answer
from foveate.agent.models.conventions import BoxConventionError
from foveate.agent.models.decoding import Decoding
from foveate.agent.models.parsing import parse_reply
from foveate.agent.models.profiles import Profile
from foveate.agent.workers import Outcome, run_all
from foveate.tools.context import Resampler, Sample
from foveate.tools.imaging.frames import BoxError
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View

TEMPERATURE = 0.7
"""For steps that semantic sampling leaves alone, such as the digits of a box: else all looks were alike."""
NAME = "V0"


def can_resample(model: object) -> bool:
    """Whether a model was made to decode with semantic sampling."""
    return isinstance(getattr(model, "decoding", None), Decoding)


@dataclass(frozen=True)
class Again:
    """`schemas`: the tool schema of `answer`, the only call there is in one look."""

    model: BaseChatModel
    profile: Profile
    store: ImageStore
    png: Callable[[View], str]
    schemas: list[dict[str, Any]]

    def within(self, seconds: float) -> Resampler:
        """A resampler whose looks end when the time is over."""
        return partial(self._looks, time.monotonic() + seconds)

    def _looks(self, deadline: float, question: str, view: View, count: int) -> list[Sample]:
        messages = self._messages(question, view)
        calls = [partial(self._one, messages, seed) for seed in range(count)]
        if not hasattr(self.model, "loaded"):  # a server: all at once
            return [self._sample(o, view) for o in run_all(calls, deadline - time.monotonic()) if not o.late]
        found: list[Sample] = []
        for call in calls:
            [outcome] = run_all([call], deadline - time.monotonic())
            if outcome.late:
                break
            found.append(self._sample(outcome, view))
        return found

    def _one(self, messages: list[BaseMessage], seed: int) -> Any:
        sampler: Any = self.model
        model = sampler.sampling(TEMPERATURE, seed)
        return (model.bind_tools(self.schemas) if observe.structured(self.profile) else model).invoke(
            messages
        )

    def _messages(self, question: str, view: View) -> list[BaseMessage]:
        line = observe.view_line(self.profile, NAME, view, self.store.get(view.image_id))
        asked: list[Any] = [
            observe.system_message(self.profile, False, str(self.schemas)),
            observe.question_message(self.profile, question, {NAME: line}),
        ]
        return observe.with_pixels(asked, lambda name: self.png(view))

    def _sample(self, outcome: Outcome[Any], view: View) -> Sample:
        reply = outcome.value
        if not isinstance(reply, AIMessage):
            return Sample(error=f"the model failed with {type(outcome.error).__name__}")
        used = reply.usage_metadata
        tokens = (used["input_tokens"], used["output_tokens"]) if used else (0, 0)
        parsed = parse_reply(reply, self.profile)
        if parsed.answer is None:
            return Sample(error=parsed.error or "the model called a tool instead of answering", tokens=tokens)
        try:
            given = read_answer(parsed.answer)
            drawn = [claim.box for claim in given.claims if claim.present and claim.box is not None]
            boxes = [self.profile.box_to_view(box, view.width, view.height) for box in drawn]
            legal = tuple(view.frame.box(*box).as_tuple() for box in boxes)
        except (AnswerError, BoxConventionError, BoxError) as error:
            return Sample(error=str(error), tokens=tokens)
        return Sample(given.text, legal, given.abstained, tokens=tokens)
