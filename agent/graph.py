"""The agent's graph: look → reason → act → reflect → reason … → answer → check, with repair turns.

Knows LangGraph and the nodes; knows no provider, no prompt text and no image.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from foveate.agent.answer import AnswerArguments
from foveate.agent.budget import Budget
from foveate.agent.calls import Caller
from foveate.agent.checks.asking import OneLook
from foveate.agent.checks.level import Level
from foveate.agent.checks.node import Checker
from foveate.agent.checks.ordering import Ordering
from foveate.agent.checks.witnesses import Witnesses
from foveate.agent.conclude import Concluder
from foveate.agent.models.profiles import Profile
from foveate.agent.nodes import Nodes
from foveate.agent.observe import PngCache, structured
from foveate.agent.reason import Reasoner
from foveate.agent.refining import Refiner
from foveate.agent.resample import Again, can_resample
from foveate.agent.state import AgentState
from foveate.tools.arguments import about
from foveate.tools.checks.weigh import trust_in
from foveate.tools.context import ToolContext
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.imaging.store import ImageStore
from foveate.tools.toolbox import make_tools

Toolbox = Callable[[ToolContext], Sequence[BaseTool]]
Graph = CompiledStateGraph[AgentState, None, AgentState, AgentState]


def build_graph(
    model: BaseChatModel,
    store: ImageStore,
    grounder: Grounder | None,
    profile: Profile,
    budget: Budget,
    tools: Toolbox | None = None,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
    *,
    use_tools: bool = True,
    show_pixels: bool = True,
    opener: Callable[[AgentState], AgentState] | None = None,
    refine: int = 0,
    checks: Level = "none",
) -> Graph:
    """The compiled graph. `tools` makes the tools of a run from its context; the default is all look tools.

    Without `use_tools` the model has one look and gives its answer at once. Without `show_pixels` it gets
    messages with image references instead of images, for models that need no eyes. `opener` is a node that
    runs before `look`, for callers that give paths and not an opened state. `refine`: how many times the
    question is asked again after the answer, with semantic sampling, for which the model must be made.
    `checks`: how much is checked after an answer to a question that names no level of its own.
    """
    toolbox = tools or make_tools
    png = PngCache(store.view_png)
    again = Again(model, profile, store, png, tool_schemas([])) if can_resample(model) else None
    # a compact model was taught with the other tools: what `refine` does is done for it after its answer
    asker = again if profile.style == "full" else None
    asks = asker.within(0) if asker else None
    looks = ToolContext(store, {}, {}, grounder, resample=asks, several=profile.style == "full")
    schemas = tool_schemas(toolbox(looks) if use_tools else [])
    words = "\n".join(json.dumps(schema["function"]) for schema in schemas)
    nodes = Nodes(store, grounder, profile, budget, Caller(profile, toolbox), use_tools, words, asker)
    bound = model.bind_tools(schemas) if structured(profile) else model
    reasoner = Reasoner(bound, profile, budget, png, show_pixels)
    refiner = Refiner(store, profile, budget, again, refine) if refine and again is not None else None
    once = tool_schemas([])
    teller = model.bind_tools(once) if structured(profile) else model
    look = OneLook(teller, profile, store, png, str(once), show_pixels)
    trust = trust_in(profile.name, getattr(grounder, "name", None))
    witnesses = Witnesses(store, profile, trust, grounder, look)
    checker = Checker(store, budget, checks, witnesses, Ordering(look))
    graph = _wired(nodes, reasoner, Concluder(store, profile), refiner, checker)
    if opener is not None:
        graph.add_node("open", RunnableLambda(opener, name="open"))
        graph.add_edge("open", "look")
    graph.add_edge(START, "look" if opener is None else "open")
    return graph.compile(checkpointer=checkpointer, name="foveate")


def tool_schemas(tools: Sequence[BaseTool]) -> list[dict[str, Any]]:
    """OpenAI tool schemas of the tools and of `answer`, which the graph itself takes."""
    answer = convert_to_openai_tool(AnswerArguments)
    answer["function"] |= {"name": "answer", "description": about("answer")}
    return [*(convert_to_openai_tool(tool) for tool in tools), answer]


def _wired(
    nodes: Nodes, reasoner: Reasoner, concluder: Concluder, refiner: Refiner | None, checker: Checker
) -> StateGraph[AgentState, None, AgentState, AgentState]:
    graph = StateGraph(AgentState)
    graph.add_node("look", nodes.look)
    graph.add_node("reason", RunnableLambda(reasoner.reason, afunc=reasoner.areason, name="reason"))
    graph.add_node("act", nodes.act)
    graph.add_node("reflect", nodes.reflect)
    graph.add_node("repair", nodes.repair)
    graph.add_node("answer", concluder.answer)
    graph.add_conditional_edges("look", _unless_stopped("reason"), ["reason", "answer"])
    graph.add_conditional_edges("reason", _after_reason, ["act", "answer", "repair"])
    graph.add_conditional_edges("act", _unless_stopped("reflect"), ["reflect", "answer"])
    graph.add_edge("reflect", "reason")
    graph.add_conditional_edges("repair", _unless_stopped("reason"), ["reason", "answer"])
    onward: str = END
    if refiner is not None:
        onward = "refine"
        graph.add_node("refine", refiner.refine)
        graph.add_edge("refine", END)
    graph.add_node("check", checker.check)
    graph.add_edge("check", onward)
    graph.add_conditional_edges("answer", _after_answer(checker, onward), ["repair", "check", onward])
    return graph


def _after_reason(state: AgentState) -> str:
    if state.get("stopped_by") or "answer" in state["pending"]:
        return "answer"
    return "act" if "calls" in state["pending"] else "repair"


def _after_answer(checker: Checker, onward: str) -> Callable[[AgentState], str]:
    def route(state: AgentState) -> str:
        if not state.get("answer"):
            return "repair"
        return onward if checker.level_of(state) == "none" else "check"

    return route


def _unless_stopped(onward: str) -> Callable[[AgentState], str]:
    def route(state: AgentState) -> str:
        return "answer" if state.get("stopped_by") else onward

    return route
