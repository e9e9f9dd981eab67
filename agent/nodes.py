"""The nodes of the graph: look, reason, act, reflect, repair, answer. Each takes the state and returns an
update.

No node raises for what a model or a tool does wrong; the state says what happened. Knows no LangGraph beyond
the shape of a node, and no provider.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnableConfig

from foveate import prompts
from foveate.agent import answer as answers
from foveate.agent import observe
from foveate.agent.budget import Budget
from foveate.agent.calls import Caller, Round
from foveate.agent.models.conventions import BoxConventionError
from foveate.agent.models.parsing import ParsedReply, message_text, parse_reply
from foveate.agent.models.profiles import Profile
from foveate.agent.state import (
    AgentState,
    Pending,
    Usage,
    evidence_of,
    evidence_record,
    view_record,
    views_of,
)
from foveate.agent.trace import Step
from foveate.agent.workers import Outcome, run_all
from foveate.tools.context import ToolContext, ToolLimits
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.imaging.frames import BoxError
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View

MAX_KEPT_REPLY = 2_000
"""Characters of a reply that did not parse that are kept in the conversation; the rest cannot help to repair
it."""
NO_USAGE = Usage(input_tokens=0, output_tokens=0, calls=0, unreported=0, model_seconds=0.0)


@dataclass(frozen=True)
class Nodes:
    """`model` takes messages and gives an AIMessage, with the tools already bound to it."""

    model: Runnable[Any, Any]
    store: ImageStore
    grounder: Grounder | None
    profile: Profile
    budget: Budget
    caller: Caller
    png: Callable[[View], str]
    use_tools: bool = True
    show_pixels: bool = True
    tool_words: str = ""

    # look ------------------------------------------------------------------------------------------------

    def look(self, state: AgentState) -> AgentState:
        """Names the opening views and puts the question under them; a follow-up keeps all that was found."""
        known = state.get("views", {})
        opened = [View.model_validate(told) for told in state.get("start", [])]
        views = {f"V{len(known) + i}": view for i, view in enumerate(opened)}
        lines = {
            n: observe.view_line(self.profile, n, v, self.store.get(v.image_id)) for n, v in views.items()
        }
        marked = self._marked(state, list(views))
        told = [observe.marked_line(self.profile, e, views[e.view], self.store.get(e.image)) for e in marked]
        messages: list[AnyMessage] = []
        if not state.get("messages"):
            messages.append(observe.system_message(self.profile, self.use_tools, self.tool_words))
        messages.append(observe.question_message(self.profile, state["question"], lines, told))
        usage = state.get("usage") or NO_USAGE
        steps, tokens = len(state.get("steps", [])), usage["input_tokens"] + usage["output_tokens"]
        return AgentState(
            messages=messages,
            views={name: view_record(view) for name, view in views.items()},
            evidence={e.id: evidence_record(e) for e in marked},
            steps=[],
            start=[],
            marked=[],
            fresh=[],
            asked={"at": time.time(), "steps": steps, "tokens": tokens},
            usage=usage,
            repairs=0,
            draft=None,
            answer=None,
            stopped_by=None,
            failure=None,
        )

    def _marked(self, state: AgentState, views: Sequence[str]) -> list[Evidence]:
        """The user's boxes, named after all earlier evidence."""
        first = len(state.get("evidence", {})) + 1
        return [
            Evidence.model_validate({**told, "id": f"E{first + i}", "view": views[0]})
            for i, told in enumerate(state.get("marked", []))
        ]

    # reason ----------------------------------------------------------------------------------------------

    def reason(self, state: AgentState, config: RunnableConfig) -> AgentState:
        """One call of the model within the time that is left."""
        ended = self._ended(state)
        if ended:
            return AgentState(stopped_by=ended)
        messages = self._shown(state)
        [outcome] = run_all([lambda: self.model.invoke(messages, config)], self._seconds_left(state))
        return self._heard(state, outcome)

    async def areason(self, state: AgentState, config: RunnableConfig) -> AgentState:
        """`reason` for an event loop: the model's own asynchronous call, cancelled when it is late."""
        ended = self._ended(state)
        if ended:
            return AgentState(stopped_by=ended)
        start, left = time.perf_counter(), self._seconds_left(state)
        messages = await asyncio.to_thread(self._shown, state)
        try:
            reply = await asyncio.wait_for(self.model.ainvoke(messages, config), left)
            outcome = Outcome(value=reply, seconds=time.perf_counter() - start)
        except TimeoutError as error:
            late = time.perf_counter() - start >= left
            outcome = Outcome(error=None if late else error, seconds=time.perf_counter() - start, late=late)
        except Exception as error:  # any provider may raise anything; the run ends stating it
            outcome = Outcome(error=error, seconds=time.perf_counter() - start)
        return self._heard(state, outcome)

    def _heard(self, state: AgentState, outcome: Outcome[Any]) -> AgentState:
        if outcome.late:
            return AgentState(stopped_by="seconds")
        reply = outcome.value
        if outcome.error is not None or not isinstance(reply, AIMessage):
            return AgentState(stopped_by="model_error", failure=_failure(outcome.error, reply))
        usage = _counted(state["usage"], reply, outcome.seconds)
        parsed = parse_reply(reply, self.profile)
        message, pending = self._canonical(state, reply, parsed)
        return AgentState(messages=[message], pending=pending, usage=usage)

    def _canonical(
        self, state: AgentState, reply: AIMessage, parsed: ParsedReply
    ) -> tuple[AIMessage, Pending]:
        """The reply as it is kept: calls in one form with ids that do not depend on the provider."""
        text = message_text(reply)
        if parsed.error is not None:
            return AIMessage(text[:MAX_KEPT_REPLY]), Pending(error=parsed.error)
        first = len(state["steps"]) + 1
        if parsed.answer is not None:
            calls = [{"name": "answer", "args": parsed.answer, "id": _call_id(first)}]
            pending = Pending(answer=parsed.answer, answer_id=_call_id(first))
        else:
            calls = [
                {"name": call.name, "args": call.arguments, "id": _call_id(first + i)}
                for i, call in enumerate(parsed.tool_calls)
            ]
            pending = Pending(calls=calls)
        if self.profile.tool_calls in ("native", "hermes"):
            return AIMessage(parsed.text, tool_calls=calls), pending
        return AIMessage(text), pending

    def _shown(self, state: AgentState) -> list[BaseMessage]:
        if not self.show_pixels:
            return list(state["messages"])
        views = views_of(state)
        return observe.with_pixels(state["messages"], lambda name: self.png(views[name]))

    # act -------------------------------------------------------------------------------------------------

    def act(self, state: AgentState, config: RunnableConfig) -> AgentState:
        """Runs the calls of the last reply and puts their results, in call order, into the conversation."""
        calls = state["pending"]["calls"]
        past = state["steps"][state["asked"]["steps"] :]
        made = self.caller.run(
            self._context(state),
            calls,
            past,
            first=len(state["steps"]) + 1,
            turn=_turn(state),
            allowed=self.budget.steps - len(past),
            seconds=self._seconds_left(state),
            config=config,
        )
        update = AgentState(
            messages=self._results(calls, made),
            views={name: view_record(view) for name, view in made.views.items()},
            evidence={name: evidence_record(e) for name, e in made.evidence.items()},
            steps=[step.record() for step in made.steps],
            fresh=list(made.views),
        )
        if made.late or made.looping:
            update["stopped_by"] = "seconds" if made.late else "loop"
        return update

    def _results(self, calls: Sequence[dict[str, Any]], made: Round) -> list[AnyMessage]:
        texts = [(step.observation, step.ok, step.views) for step in made.steps]
        unrun = prompts.line(self.profile.style, "error", reason="the step budget is used up")
        texts += [(unrun, False, ())] * (len(calls) - len(texts))
        if self.profile.tool_calls not in ("native", "hermes"):
            return [HumanMessage("\n".join(text for text, _, _ in texts))]
        return [
            self._result(call, text, ok, views) for call, (text, ok, views) in zip(calls, texts, strict=True)
        ]

    def _result(self, call: dict[str, Any], text: str, ok: bool, views: Sequence[str]) -> ToolMessage:
        content: str | list[str | dict[str, Any]] = text
        if views and self.profile.tool_image == "tool_message":
            content = [{"type": "text", "text": text}, *(observe.image_ref(name) for name in views)]
        status = "success" if ok else "error"
        return ToolMessage(content, tool_call_id=call["id"], name=call["name"], status=status)

    # reflect ---------------------------------------------------------------------------------------------

    def reflect(self, state: AgentState) -> AgentState:
        """Shows the views that the tools made and asks whether they show what is claimed."""
        if not state["fresh"]:
            return AgentState(fresh=[])
        return AgentState(
            messages=[observe.reflect_message(self.profile, state["fresh"], views_of(state))], fresh=[]
        )

    # repair ----------------------------------------------------------------------------------------------

    def repair(self, state: AgentState) -> AgentState:
        """Hands a reply that does not parse, or an answer that does not stand, back to the model; counted."""
        pending, reason = state["pending"], state["pending"]["error"]
        text = prompts.fill(f"{self.profile.style}/repair.txt", reason=reason.rstrip("."))
        step = Step(
            n=len(state["steps"]) + 1,
            turn=_turn(state),
            tool="repair",
            ok=False,
            observation=text,
            error=reason,
        )
        if state["repairs"] >= self.budget.repairs:
            return AgentState(stopped_by="repairs", failure=reason, steps=[step.record()])
        structured = self.profile.tool_calls in ("native", "hermes") and "answer_id" in pending
        message: AnyMessage = (
            ToolMessage(text, tool_call_id=pending["answer_id"], name="answer", status="error")
            if structured
            else HumanMessage([{"type": "text", "text": text}])
        )
        return AgentState(messages=[message], steps=[step.record()], repairs=state["repairs"] + 1)

    # answer ----------------------------------------------------------------------------------------------

    def answer(self, state: AgentState) -> AgentState:
        """Ties the answer to its evidence; a run that was ended gets the best supported answer so far."""
        if state.get("stopped_by"):
            return AgentState(answer=self._best(state).model_dump(mode="json"))
        n = len(state["steps"]) + 1
        pending = state["pending"]
        evidence = evidence_of(state)
        try:
            given = answers.read_answer(pending["answer"])
            done = answers.grounded(given, evidence, _absent(state), self._drawer(state, n))
        except (answers.AnswerError, BoxConventionError, BoxError) as error:
            return AgentState(pending={**pending, "error": str(error)})
        drawn = [e for e in done.evidence if e.id not in evidence]
        step = Step(
            n=n,
            turn=_turn(state),
            tool="answer",
            arguments=pending["answer"],
            evidence=tuple(e.id for e in drawn),
        )
        return AgentState(
            answer=done.model_dump(mode="json"),
            evidence={e.id: evidence_record(e) for e in drawn},
            steps=[step.record()],
            stopped_by="answer",
        )

    def _drawer(self, state: AgentState, step: int) -> answers.DrawBox:
        views = views_of(state)
        ctx = ToolContext(self.store, views)

        def draw(numbers: Sequence[float], name: str | None, label: str) -> Evidence:
            if name is not None and name not in views:
                raise answers.AnswerError(
                    f"answer: there is no view {name[:20]}; views are {', '.join(views)}"
                )
            name = ctx.view_name(name)
            view = views[name]
            box = view.frame.box(*self.profile.box_to_view(numbers, view.width, view.height))
            made = seen_at(box, view, ctx.image(view), label=label, tool="model", view_name=name)
            return made.model_copy(update={"step": step})

        return draw

    def _best(self, state: AgentState) -> answers.GroundedAnswer:
        draft = state.get("draft")
        if draft is not None:
            kept = answers.only_supported(answers.GroundedAnswer.model_validate(draft))
            if kept is not None:
                return kept
        first = state["asked"]["steps"]
        found = [e for e in evidence_of(state).values() if e.step > first]
        return answers.from_evidence(found, str(state["stopped_by"]))

    # shared ----------------------------------------------------------------------------------------------

    def _context(self, state: AgentState) -> ToolContext:
        limits = ToolLimits(view_side=self.profile.max_side, min_side=self.profile.min_side)
        return ToolContext(self.store, views_of(state), evidence_of(state), self.grounder, limits)

    def _ended(self, state: AgentState) -> str | None:
        asked, usage = state["asked"], state["usage"]
        tokens = usage["input_tokens"] + usage["output_tokens"] - asked["tokens"]
        return self.budget.spent(len(state["steps"]) - asked["steps"], time.time() - asked["at"], tokens)

    def _seconds_left(self, state: AgentState) -> float:
        return max(0.0, self.budget.seconds - (time.time() - state["asked"]["at"]))


def _turn(state: AgentState) -> int:
    return sum(isinstance(message, AIMessage) for message in state["messages"])


def _call_id(number: int) -> str:
    # nine letters and digits: the one form that every provider's server takes
    return f"call{number:05d}"


def _absent(state: AgentState) -> list[str]:
    """Phrases whose absence was decided on a fixed scale."""
    facts = (step.get("facts", {}) for step in state["steps"])
    return [told["phrase"] for told in facts if told.get("absent")]


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
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
