"""The graph's own cost: a scripted model, tools that only compute, and the difference of two run lengths.

What a run costs once (opening, hashing, the first picture) is in both lengths and falls out.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

    from foveate.agent.result import Result
    from foveate.tools.imaging.image import SourceImage

SHORT, LONG, REPEATS = 8, 40, 5


def overhead_ms() -> float:
    """Milliseconds a step outside model and tools: the median of several differences."""
    image = noise(256)
    costs = []
    for _ in range(REPEATS):
        short, long = (own_seconds(scripted_run(image, steps, "measure")) for steps in (SHORT, LONG))
        costs.append((long - short) / (LONG - SHORT) * 1000)
    return median(costs)


def own_seconds(result: Result) -> float:
    """Seconds of a run that neither the model nor a tool took."""
    return result.seconds - result.usage["model_seconds"] - sum(step.seconds for step in result.steps)


def state_growth(side: int) -> float:
    """Bytes that a checkpoint grows by with a step that makes a view, on a square image of this side."""
    image = noise(side)
    short, long = (state_bytes(scripted_run(image, steps, "zoom")) for steps in (SHORT, LONG))
    return (long - short) / (LONG - SHORT)


def state_bytes(result: Result) -> int:
    """Size of the final state as a LangGraph checkpointer stores it."""
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    return len(JsonPlusSerializer().dumps_typed(dict(result.state))[1])


def scripted_run(image: SourceImage, steps: int, tool: str) -> Result:
    """A run of this many tool calls, one a turn, and an answer."""
    from foveate.agent.budget import Budget
    from foveate.agent.models.profiles import profile_for
    from foveate.agent.models.scripted import ScriptedChatModel
    from foveate.agent.run import Agent

    model = ScriptedChatModel(replies=[*(turn(tool, n) for n in range(steps)), answer()])
    agent = Agent(model=model, grounder=None, budget=Budget(steps=steps + 1), profile=profile_for("pocket"))
    result = agent.ask(image, "How large is it?")
    if result.stopped_by != "answer" or not all(step.ok for step in result.steps):
        raise RuntimeError(f"the scripted run ended by {result.stopped_by} after {len(result.steps)} steps")
    return result


def turn(tool: str, number: int) -> AIMessage:
    """A call on a box that no other turn uses."""
    box = [10.0, 10.0, 60.0 + number, 70.0 + number]
    return reply(tool, {"box": box, "view": "V0"}, number)


def answer() -> AIMessage:
    """The last reply."""
    return reply("answer", {"text": "I cannot tell.", "abstained": True, "reason": "cannot_tell"}, 999)


def reply(tool: str, arguments: dict[str, Any], number: int) -> AIMessage:
    """A reply with one tool call."""
    from langchain_core.messages import AIMessage

    return AIMessage("", tool_calls=[{"name": tool, "args": arguments, "id": f"bench{number}"}])


def noise(side: int) -> SourceImage:
    """A gray square picture."""
    from foveate.tools.imaging.image import SourceImage

    return SourceImage(np.random.default_rng(1).integers(0, 120, (1, side, side)).astype(np.uint8))
