"""The teacher: knows the labels, reads only what the agent's tools observed, and decides the next step.

`OracleModel` makes a chat model of the plans, so that the real agent graph runs the show and the student
later reads exactly the same words. Knows nothing of training.
"""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from foveate.pocket.played import PlayedModel
from foveate.pocket.vlm.observations import Turn
from foveate.pocket.vlm.plans import PLANS, Task, direct_plan


class OracleModel(PlayedModel):
    """Plays one task; `begin` sets it before each run."""

    plan: Any = None
    seen: int = 0

    @property
    def _llm_type(self) -> str:
        return "foveate-oracle"

    def begin(self, task: Task, direct: bool = False) -> None:
        self.plan = (direct_plan if direct else PLANS[task.kind])(task)
        self.seen = -1

    def reply(self, messages: list[BaseMessage]) -> AIMessage:
        try:
            calls = next(self.plan) if self.seen < 0 else self.plan.send(Turn(_latest_observations(messages)))
        except StopIteration as end:
            calls = [("answer", end.value)]
        self.seen = len(messages)
        tool_calls = [
            {"name": name, "args": args, "id": f"c{len(messages)}_{i}", "type": "tool_call"}
            for i, (name, args) in enumerate(calls)
        ]
        return AIMessage(content="", tool_calls=tool_calls)


def _latest_observations(messages: list[BaseMessage]) -> list[str]:
    texts: list[str] = []
    for message in reversed(messages):
        if isinstance(message, AIMessage):
            break
        if isinstance(message, ToolMessage):
            texts.append(str(message.text))
    return texts[::-1]
