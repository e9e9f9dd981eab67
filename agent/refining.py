"""The node after the answer: looks again with semantic sampling and tells how far the looks agree.

The call is made as any tool call is, so that it stands in the trace, within the question's budget. Knows no
provider.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig

from foveate.agent.budget import Budget
from foveate.agent.calls import Caller
from foveate.agent.models.profiles import Profile
from foveate.agent.resample import Again
from foveate.agent.state import (
    AgentState,
    evidence_of,
    evidence_record,
    seconds_spent,
    tokens_spent,
    turn_of,
    usage_with,
    views_of,
)
from foveate.agent.trace import Step, call_id
from foveate.tools.consensus import meaning
from foveate.tools.context import ToolContext
from foveate.tools.imaging.store import ImageStore
from foveate.tools.toolbox import make_tools


@dataclass(frozen=True)
class Refiner:
    """`samples`: how many looks."""

    store: ImageStore
    profile: Profile
    budget: Budget
    again: Again
    samples: int

    def refine(self, state: AgentState, config: RunnableConfig) -> AgentState:
        """One `refine` call on the view that opened the question; nothing where the budget is spent."""
        left = self.budget.seconds - seconds_spent(state)
        if state.get("stopped_by") != "answer" or left <= 0 or tokens_spent(state) >= self.budget.tokens:
            return AgentState(fresh=[])
        n, views = len(state["steps"]) + 1, views_of(state)
        call = {"name": "refine", "args": self._arguments(state), "id": call_id(n)}
        context = ToolContext(self.store, views, evidence_of(state), resample=self.again.within(left))
        caller = Caller(self.profile, lambda ctx: make_tools(ctx, ["refine"]))
        made = caller.run(context, [call], [], first=n, turn=turn_of(state), seconds=left, config=config)
        return AgentState(
            evidence={name: evidence_record(e) for name, e in made.evidence.items()},
            steps=[step.record() for step in made.steps],
            usage=usage_with(state["usage"], made.steps),
        )

    def _arguments(self, state: AgentState) -> dict[str, Any]:
        return {"question": state["question"], "view": state["asked"]["view"], "samples": self.samples}


def uncertainty(answer: str, steps: tuple[Step, ...]) -> dict[str, Any] | None:
    """What the last look again says of the answer; `agrees`: whether most looks mean the same as it."""
    told = next(({**s.arguments, **s.facts} for s in reversed(steps) if s.tool == "refine" and s.ok), None)
    if told is None:
        return None
    keys = ("samples", "answered", "consensus", "spread", "box_consensus", "box_spread", "groups")
    agrees = meaning(answer) == meaning(told["answer"])
    return {"agrees": agrees, **{key: told[key] for key in keys if key in told}}
