"""The state of a conversation: references and text, never pixels.

Everything is made of messages, strings, numbers, lists and dicts, so that any LangGraph checkpointer can
store it. Views and evidence are kept as JSON forms; `views_of` and `evidence_of` give the types back.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage

from foveate.agent.checks.level import Level
from foveate.agent.trace import Step
from foveate.tools.evidence import Evidence
from foveate.tools.imaging.views import View


def append(left: list[Any], right: list[Any]) -> list[Any]:
    """Reducer: what a node returns is added at the end."""
    return [*left, *right]


def merge(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """Reducer: new names are added; a name, once given, keeps its meaning."""
    return {**left, **right}


class Asked(TypedDict):
    """Where the present question begins: wall clock, and what earlier questions had used of the rest.

    `view`: the first of the views that opened it, or opened the conversation it goes on with; `views`: all of
    them.
    """

    at: float
    turns: int
    steps: int
    tokens: int
    view: str
    views: list[str]


class Pending(TypedDict, total=False):
    """What a reply asks for: calls [{name, args, id}], an answer (arguments of the call) or the error in
    it."""

    calls: list[dict[str, Any]]
    answer: dict[str, Any]
    answer_id: str
    error: str


class Usage(TypedDict):
    """Sums over all model calls; `unreported` counts the calls whose provider gave no numbers."""

    input_tokens: int
    output_tokens: int
    calls: int
    unreported: int
    model_seconds: float


NO_USAGE = Usage(input_tokens=0, output_tokens=0, calls=0, unreported=0, model_seconds=0.0)


class AgentState(TypedDict, total=False):
    """Grows by what nodes return. Of the keys that are not self-evident:

    `paths`: files to open first, where the graph has an opener. `start`: views to open the question with.
    `marked`: boxes of the user on the first of them. `images`: id to {name, about}. `fresh`: views that the
    model has not been shown yet. `decoded`: what semantic sampling did in this question. `draft`: the best
    answer that did not stand. `failure`: why it was stopped. `checks`: the level for this question, None for
    the agent's own. `quality`: id of an opening view to what the quality gate said of it.
    """

    question: str
    checks: Level | None
    paths: list[str]
    start: list[dict[str, Any]]
    marked: list[dict[str, Any]]
    images: Annotated[dict[str, dict[str, str]], merge]
    messages: Annotated[list[AnyMessage], append]
    quality: Annotated[dict[str, dict[str, Any]], merge]
    views: Annotated[dict[str, dict[str, Any]], merge]
    evidence: Annotated[dict[str, dict[str, Any]], merge]
    steps: Annotated[list[dict[str, Any]], append]
    fresh: list[str]
    pending: Pending
    asked: Asked
    usage: Usage
    decoded: dict[str, Any] | None
    repairs: int
    draft: dict[str, Any] | None
    answer: dict[str, Any] | None
    stopped_by: str | None
    failure: str | None


def usage_with(usage: Usage, steps: Sequence[Step]) -> Usage:
    """The usage with the model calls that tools (`refine`) and checks made."""
    told = [step.facts["usage"] for step in steps if "usage" in step.facts]
    return Usage(
        input_tokens=usage["input_tokens"] + sum(one["input_tokens"] for one in told),
        output_tokens=usage["output_tokens"] + sum(one["output_tokens"] for one in told),
        calls=usage["calls"] + sum(one["calls"] for one in told),
        unreported=usage["unreported"] + sum(one.get("unreported", 0) for one in told),
        model_seconds=usage["model_seconds"],
    )


def views_of(state: AgentState) -> dict[str, View]:
    """Named views, oldest first."""
    return {name: View.model_validate(told) for name, told in state.get("views", {}).items()}


def opening_names(state: AgentState) -> list[str]:
    """Names of the views that opened the last question, or the conversation that it goes on with."""
    if "asked" not in state:
        return ["V0"]
    asked = state["asked"]
    # a conversation that an earlier version kept names only the first
    return asked.get("views") or [asked.get("view", "V0")]


def opening_of(state: AgentState) -> list[View]:
    """The views of `opening_names`."""
    views = views_of(state)
    return [views[name] for name in opening_names(state) if name in views]


def evidence_of(state: AgentState) -> dict[str, Evidence]:
    """Named evidence, oldest first."""
    return {name: Evidence.model_validate(told) for name, told in state.get("evidence", {}).items()}


def view_record(view: View) -> dict[str, Any]:
    return view.model_dump(mode="json", exclude={"id"}, exclude_defaults=True)


def evidence_record(evidence: Evidence) -> dict[str, Any]:
    return evidence.model_dump(mode="json", exclude_defaults=True)


def past_steps(state: AgentState) -> list[dict[str, Any]]:
    """The records of the present question's steps."""
    return state["steps"][state["asked"]["steps"] :]


def seconds_spent(state: AgentState) -> float:
    """Wall time since the present question was asked."""
    return time.time() - state["asked"]["at"]


def tokens_spent(state: AgentState) -> int:
    """Tokens that the present question has used, as far as they were reported."""
    usage = state["usage"]
    return usage["input_tokens"] + usage["output_tokens"] - state["asked"]["tokens"]


def turns_spent(state: AgentState) -> int:
    """How many replies the model has given to the present question."""
    return turn_of(state) - state["asked"]["turns"]


def turn_of(state: AgentState) -> int:
    """How many replies the model has given in the whole conversation."""
    return sum(isinstance(message, AIMessage) for message in state.get("messages", []))
