"""The node between an answer and whoever asked: checks it by level and marks what does not stand.

`basic` costs nothing; `full` asks the grounder and the model again, within the question's budget, each call a
step of the trace. Knows no provider.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig

from foveate.agent.answer import GroundedAnswer
from foveate.agent.budget import Budget
from foveate.agent.checks.basic import geometry_of, prose_fault, turn_faults
from foveate.agent.checks.level import Level
from foveate.agent.checks.ordering import Ordering
from foveate.agent.checks.withdraw import withdrawn
from foveate.agent.checks.witnesses import Witnesses
from foveate.agent.state import (
    AgentState,
    evidence_of,
    seconds_spent,
    tokens_spent,
    turn_of,
    usage_with,
)
from foveate.agent.trace import Step
from foveate.tools.imaging.store import ImageStore


@dataclass
class Course:
    """The steps of one round of checks, and what they refuted (claim index → reason). `undecided`: the
    grounder has shown that it cannot tell presence."""

    first: int
    turn: int
    steps: list[Step] = field(default_factory=list)
    refuted: dict[int, str] = field(default_factory=dict)
    undecided: bool = False

    def step(self, kind: str, facts: dict[str, Any], claim: int | None = None, **told: Any) -> None:
        """Adds a step; `told` are fields of `Step`."""
        given = {"kind": kind} | ({} if claim is None else {"claim": claim}) | told.pop("arguments", {})
        n = self.first + len(self.steps)
        self.steps.append(Step(n=n, turn=self.turn, tool="check", arguments=given, facts=facts, **told))


@dataclass(frozen=True)
class Checker:
    """`level` holds for questions that name none. `witnesses` and `ordering` are what `full` asks."""

    store: ImageStore
    budget: Budget
    level: Level
    witnesses: Witnesses
    ordering: Ordering

    def level_of(self, state: AgentState) -> Level:
        return state.get("checks") or self.level

    def check(self, state: AgentState, config: RunnableConfig) -> AgentState:
        """The answer with what does not stand marked, the steps, and the usage of the calls they made."""
        answer = GroundedAnswer.model_validate(state["answer"])
        course = Course(len(state["steps"]) + 1, turn_of(state))
        full = self.level_of(state) == "full"
        if full:  # first: a vote may put another answer in the place of this one
            answer = self.ordering.voted(state, answer, course, lambda: self._left(state, course))
        prose = self._basic(state, answer, course)
        if full:
            self.witnesses.heard(state, answer, course, lambda: self._left(state, course))
        checked = withdrawn(answer, course.refuted, prose)
        return AgentState(
            answer=checked.model_dump(mode="json"),
            steps=[step.record() for step in course.steps],
            usage=usage_with(state["usage"], course.steps),
        )

    def _basic(self, state: AgentState, answer: GroundedAnswer, course: Course) -> str | None:
        """Refutes claims by geometry and by earlier turns; the fault in the answer's prose, if any."""
        evidence = evidence_of(state)
        told: list[dict[str, Any]] = []
        for n, claim in enumerate(answer.claims):
            for verdict in geometry_of(claim, evidence, self.store.get):
                told.append({"claim": n, "what": verdict.what, "said": verdict.said, "holds": verdict.holds})
                if verdict.holds is False and claim.supported:
                    course.refuted.setdefault(n, verdict.reason)
        for n, why in turn_faults(state, answer).items():
            told.append({"claim": n, "what": "turn", "said": answer.claims[n].text, "holds": False})
            course.refuted.setdefault(n, why)
        prose = prose_fault(answer, self.store.get, evidence, state["question"])
        facts: dict[str, Any] = {"verdicts": told, "refuted": {str(n): w for n, w in course.refuted.items()}}
        if prose is not None:
            facts["prose"] = prose
        course.step("geometry", facts, arguments={"level": self.level_of(state)})
        return prose

    def _left(self, state: AgentState, course: Course) -> float:
        """Seconds that a further call may take; 0 where the budget of seconds or tokens is spent."""
        used = [step.facts["usage"] for step in course.steps if "usage" in step.facts]
        tokens = sum(each["input_tokens"] + each["output_tokens"] for each in used)
        if tokens_spent(state) + tokens >= self.budget.tokens:
            return 0.0
        return max(0.0, self.budget.seconds - seconds_spent(state))
