"""One call of the model: references become pixels, the reply becomes calls, an answer or an error.

The call is abandoned when the question's time is over. Knows no tool and no provider: whatever a provider
raises ends the run in a stated way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig

from foveate.agent import observe
from foveate.agent.budget import Budget, StoppedBy
from foveate.agent.events import emit
from foveate.agent.models.parsing import ParsedReply, message_text, parse_reply
from foveate.agent.models.profiles import Profile
from foveate.agent.state import (
    AgentState,
    Pending,
    Usage,
    seconds_spent,
    tokens_spent,
    turns_spent,
    views_of,
)
from foveate.agent.trace import call_id
from foveate.agent.workers import Outcome, run_all
from foveate.tools.imaging.views import View
from foveate.tools.semsam.counts import added

MAX_KEPT_REPLY = 2_000
"""Characters of a reply that did not parse that are kept in the conversation; more cannot help to repair
it."""
MAX_FAILURE = 200
MAX_CLAIM = 200


@dataclass(frozen=True)
class Reasoner:
    """`model` takes messages and gives an AIMessage, with the tools already bound to it.

    `png` renders a view to base64. Without `show_pixels` the model gets the references themselves.
    """

    model: Runnable[Any, Any]
    profile: Profile
    budget: Budget
    png: Callable[[View], str]
    show_pixels: bool = True

    def reason(self, state: AgentState, config: RunnableConfig) -> AgentState:
        """One call of the model within the time that is left."""
        ended = self._ended(state)
        if ended:
            return AgentState(stopped_by=ended)
        left = self.budget.seconds - seconds_spent(state)
        emit("model_start")
        [outcome] = run_all([lambda: self.model.invoke(self._shown(state), config)], left)
        return self._heard(state, outcome)

    async def areason(self, state: AgentState, config: RunnableConfig) -> AgentState:
        """`reason` for an event loop: the model's own asynchronous call, cancelled when it is late."""
        ended = self._ended(state)
        if ended:
            return AgentState(stopped_by=ended)
        left = self.budget.seconds - seconds_spent(state)
        emit("model_start")
        return self._heard(state, await self._acall(state, config, left))

    async def _acall(self, state: AgentState, config: RunnableConfig, left: float) -> Outcome[Any]:
        start = time.perf_counter()
        try:
            messages = await asyncio.to_thread(self._shown, state)
            reply = await asyncio.wait_for(self.model.ainvoke(messages, config), left)
        except Exception as error:  # any provider may raise anything; the run ends stating it
            spent = time.perf_counter() - start
            late = isinstance(error, TimeoutError) and spent >= left
            return Outcome(error=None if late else error, seconds=spent, late=late)
        return Outcome(value=reply, seconds=time.perf_counter() - start)

    def _ended(self, state: AgentState) -> StoppedBy | None:
        return self.budget.spent(turns_spent(state), seconds_spent(state), tokens_spent(state))

    def _shown(self, state: AgentState) -> list[BaseMessage]:
        split = observe.structured(self.profile)
        messages = state["messages"] if split else observe.merged(state["messages"])
        if not self.show_pixels:
            return list(messages)
        views = views_of(state)
        return observe.with_pixels(messages, lambda name: self.png(views[name]))

    def _heard(self, state: AgentState, outcome: Outcome[Any]) -> AgentState:
        if outcome.late:
            return AgentState(stopped_by="seconds")
        reply = outcome.value
        if not isinstance(reply, AIMessage):
            return AgentState(stopped_by="model_error", failure=_failure(outcome.error, reply))
        usage = _counted(state["usage"], reply, outcome.seconds)
        message, pending = self._canonical(state, reply, parse_reply(reply, self.profile))
        update = AgentState(messages=[message], pending=pending, usage=usage)
        seen = reply.response_metadata.get("decoding")
        if isinstance(seen, dict):
            update["decoded"] = added(state.get("decoded"), seen)
        return update

    def _canonical(
        self, state: AgentState, reply: AIMessage, parsed: ParsedReply
    ) -> tuple[AIMessage, Pending]:
        """The reply as it is kept: calls in one form, with ids that do not depend on the provider."""
        text = message_text(reply)
        if parsed.error is not None:
            return _kept(reply, text[:MAX_KEPT_REPLY]), Pending(error=parsed.error)
        first = len(state["steps"]) + 1
        if self.profile.tool_calls == "none" and parsed.answer is not None:
            return _kept(reply, text), Pending(answer=_named_claims(parsed.answer))
        if parsed.answer is not None:
            calls = [{"name": "answer", "args": parsed.answer, "id": call_id(first)}]
            pending = Pending(answer=parsed.answer, answer_id=call_id(first))
        else:
            calls = [
                {"name": call.name, "args": call.arguments, "id": call_id(first + i)}
                for i, call in enumerate(parsed.tool_calls)
            ]
            pending = Pending(calls=calls)
        if not observe.structured(self.profile):
            return _kept(reply, text), pending
        return _kept(reply, parsed.text, tool_calls=calls), pending


def _kept(reply: AIMessage, text: str, **more: Any) -> AIMessage:
    return AIMessage(text, usage_metadata=reply.usage_metadata, **more)


def _named_claims(answer: dict[str, Any]) -> dict[str, Any]:
    """A family that writes bare boxes in prose means the prose by them."""
    claims = [{**claim, "text": claim["text"] or answer["text"][:MAX_CLAIM]} for claim in answer["claims"]]
    return {**answer, "claims": claims}


def _counted(usage: Usage, reply: AIMessage, seconds: float) -> Usage:
    told = reply.usage_metadata
    return Usage(
        input_tokens=usage["input_tokens"] + (told["input_tokens"] if told else 0),
        output_tokens=usage["output_tokens"] + (told["output_tokens"] if told else 0),
        calls=usage["calls"] + 1,
        unreported=usage["unreported"] + (told is None),
        model_seconds=round(usage["model_seconds"] + seconds, 4),
    )


def _failure(error: Exception | None, reply: object) -> str:
    if error is None:
        return f"the model gave a {type(reply).__name__}, not a reply"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:MAX_FAILURE]}" if lines else type(error).__name__
