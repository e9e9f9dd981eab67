"""The nodes around the model: look, act, reflect, repair. Each takes the state and returns an update.

No node raises for what a model or a tool does wrong; the state says what happened. The model's call is in
`reason.py`, the end of a question in `conclude.py`. Knows no provider.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig

from foveate import prompts
from foveate.agent import observe
from foveate.agent.budget import Budget
from foveate.agent.calls import Caller, Round
from foveate.agent.gate import STOP, unusable
from foveate.agent.models.profiles import Profile
from foveate.agent.resample import Again
from foveate.agent.state import (
    NO_USAGE,
    AgentState,
    evidence_of,
    evidence_record,
    opening_names,
    past_steps,
    seconds_spent,
    turn_of,
    usage_with,
    view_record,
    views_of,
)
from foveate.agent.trace import Step
from foveate.tools.context import ToolContext, ToolLimits
from foveate.tools.evidence import Evidence
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View


@dataclass(frozen=True)
class Nodes:
    """`tool_words` describes the tools to families that have no channel for them; `again` stands behind the
    tool `refine`, where there is one."""

    store: ImageStore
    grounder: Grounder | None
    profile: Profile
    budget: Budget
    caller: Caller
    use_tools: bool = True
    tool_words: str = ""
    again: Again | None = None

    def look(self, state: AgentState) -> AgentState:
        """Names the opening views and puts the question under them; a follow-up keeps all that was found."""
        first, refused = len(state.get("views", {})), unusable(state)
        opened = [View.model_validate(told) for told in state.get("start", [])]
        views = {f"V{first + i}": view for i, view in enumerate(opened)}
        marked = self._marked(state, list(views))
        usage = state.get("usage") or NO_USAGE
        steps, tokens = len(state.get("steps", [])), usage["input_tokens"] + usage["output_tokens"]
        opening = list(views) or opening_names(state)
        return AgentState(
            messages=[*self._opening(state), self._question(state["question"], views, marked)],
            views={name: view_record(view) for name, view in views.items()},
            evidence={e.id: evidence_record(e) for e in marked},
            steps=[],
            start=[],
            marked=[],
            fresh=[],
            asked={
                "at": time.time(),
                "turns": turn_of(state),
                "steps": steps,
                "tokens": tokens,
                "view": opening[0],
                "views": opening,
            },
            usage=usage,
            decoded=None,
            repairs=0,
            draft=None,
            answer=None,
            stopped_by=None if refused is None else STOP,
            failure=refused,
        )

    def _opening(self, state: AgentState) -> list[AnyMessage]:
        said = state.get("messages")
        if not said:
            return [observe.system_message(self.profile, self.use_tools, self.tool_words)]
        return _closed(said[-1], _drawn(state)) if self.profile.style == "full" else []

    def _question(self, question: str, views: dict[str, View], marked: Sequence[Evidence]) -> HumanMessage:
        images = {view.image_id: self.store.get(view.image_id) for view in views.values()}
        lines = {n: observe.view_line(self.profile, n, v, images[v.image_id]) for n, v in views.items()}
        told = [observe.marked_line(self.profile, e, views[e.view], images[e.image]) for e in marked]
        return observe.question_message(self.profile, question, lines, told)

    def _marked(self, state: AgentState, views: Sequence[str]) -> list[Evidence]:
        """The user's boxes, named after all earlier evidence."""
        first = len(state.get("evidence", {})) + 1
        return [
            Evidence.model_validate({**told, "id": f"E{first + i}", "view": views[0]})
            for i, told in enumerate(state.get("marked", []))
        ]

    def act(self, state: AgentState, config: RunnableConfig) -> AgentState:
        """Runs the calls of the last reply and puts their results, in call order, into the conversation."""
        calls = state["pending"]["calls"]
        made = self.caller.run(
            self._context(state),
            calls,
            past_steps(state),
            first=len(state["steps"]) + 1,
            turn=turn_of(state),
            seconds=max(0.0, self.budget.seconds - seconds_spent(state)),
            config=config,
        )
        update = AgentState(
            messages=self._results(calls, made),
            views={name: view_record(view) for name, view in made.views.items()},
            evidence={name: evidence_record(e) for name, e in made.evidence.items()},
            steps=[step.record(observation_kept=not observe.structured(self.profile)) for step in made.steps],
            fresh=list(made.views),
            usage=usage_with(state["usage"], made.steps),
        )
        if made.late or made.looping:
            update["stopped_by"] = "seconds" if made.late else "loop"
        return update

    def _context(self, state: AgentState) -> ToolContext:
        limits = ToolLimits(view_side=self.profile.max_side, min_side=self.profile.min_side)
        left = self.budget.seconds - seconds_spent(state)
        again = None if self.again is None else self.again.within(left)
        several = self.profile.style == "full"
        return ToolContext(
            self.store, views_of(state), evidence_of(state), self.grounder, limits, again, several
        )

    def _results(self, calls: Sequence[dict[str, Any]], made: Round) -> list[AnyMessage]:
        if not observe.structured(self.profile):
            return [HumanMessage("\n".join(step.observation for step in made.steps))]
        return [self._result(call, step) for call, step in zip(calls, made.steps, strict=True)]

    def _result(self, call: dict[str, Any], step: Step) -> ToolMessage:
        content: str | list[str | dict[str, Any]] = step.observation
        if step.views and self.profile.tool_image == "tool_message":
            refs = [observe.image_ref(name) for name in step.views]
            content = [{"type": "text", "text": step.observation}, *refs]
        status = "success" if step.ok else "error"
        return ToolMessage(content, tool_call_id=call["id"], name=call["name"], status=status)

    def reflect(self, state: AgentState) -> AgentState:
        """Shows the views that the tools made and asks whether they show what is claimed."""
        if not state["fresh"]:
            return AgentState(fresh=[])
        shown = observe.reflect_message(self.profile, state["fresh"], views_of(state))
        return AgentState(messages=[shown], fresh=[])

    def repair(self, state: AgentState) -> AgentState:
        """Hands a reply that does not parse, or an answer that does not stand, back to the model; counted."""
        pending, reason = state["pending"], state["pending"]["error"]
        text = prompts.fill(f"{self.profile.style}/repair.txt", reason=reason.rstrip("."))
        n, turn = len(state["steps"]) + 1, turn_of(state)
        step = Step(n=n, turn=turn, tool="repair", ok=False, observation=text, error=reason).record()
        if state["repairs"] >= self.budget.repairs:
            return AgentState(stopped_by="repairs", failure=reason, steps=[step])
        message: AnyMessage = HumanMessage([{"type": "text", "text": text}])
        if observe.structured(self.profile) and "answer_id" in pending:
            message = ToolMessage(text, tool_call_id=pending["answer_id"], name="answer", status="error")
        return AgentState(messages=[message], steps=[step], repairs=state["repairs"] + 1)


def _closed(last: AnyMessage, drawn: Sequence[Evidence]) -> list[AnyMessage]:
    """Providers refuse a conversation that goes on after a call without a result, as `answer` is. The result
    names the boxes that the answer drew, so that a follow-up can be about them."""
    if not isinstance(last, AIMessage):
        return []
    names = [prompts.line("full", "drawn", id=e.id, label=e.label) for e in drawn]
    said = "\n".join([prompts.text("full/taken.txt"), *names])
    return [ToolMessage(said, tool_call_id=str(call["id"]), name=call["name"]) for call in last.tool_calls]


def _drawn(state: AgentState) -> list[Evidence]:
    """The boxes that the last question's answer drew itself; a look again may come after it."""
    answers = [step for step in past_steps(state) if step["tool"] == "answer"]
    names = answers[-1].get("evidence", ()) if answers else ()
    return [e for name, e in evidence_of(state).items() if name in names]
