"""Runs planted claims through the real graph: the answer is planted, what the checks ask is asked for real.

Knows the agent and the planted claims; nothing of tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool

from foveate.agent.budget import Budget
from foveate.agent.checks.level import Level
from foveate.agent.models.factory import chat_model
from foveate.agent.models.profiles import profile_for
from foveate.agent.run import Agent
from foveate.pocket.data import load_patient
from foveate.pocket.planted import Planted
from foveate.tools.imaging.image import SourceImage

QUESTION = "What do you see?"
SECONDS = 3600.0


class PlantingModel(BaseChatModel):
    """Gives the planted answer to the question; every later question goes to the model `name`."""

    name_of_inner: str
    inner: Any = None
    answer: dict[str, Any] | None = None

    @property
    def _llm_type(self) -> str:
        return "foveate-planted"

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **kwargs: Any
    ) -> Any:
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if self.answer is None:
            # loaded when it is first asked: where the model's word counts for nothing it never is
            self.inner = self.inner or chat_model(self.name_of_inner, None)
            message = self.inner.invoke(messages)
        else:
            call = {"name": "answer", "args": self.answer, "id": "planted", "type": "tool_call"}
            message, self.answer = AIMessage("", tool_calls=[call]), None
        return ChatResult(generations=[ChatGeneration(message=message)])


@dataclass(frozen=True)
class Outcome:
    """What became of one planted claim. `votes` are those of the witnesses, `scores` the presences."""

    claim: Planted
    refuted: str | None
    votes: dict[str, str]
    scores: tuple[float, ...]
    model_calls: int
    grounder_calls: int


class Runner:
    """Holds the agents, one a level; the pocket model is loaded at most once."""

    def __init__(self, model: str = "pocket", grounder: str = "pocket") -> None:
        self.planter = PlantingModel(name_of_inner=model)
        self._how: dict[str, Any] = {"grounder": grounder, "profile": profile_for(model)}
        self._agents: dict[str, Agent] = {}
        self._images: dict[str, SourceImage] = {}

    def run(self, claims: Sequence[Planted], level: Level) -> list[Outcome]:
        """The outcomes of claims about one slice, in their order."""
        agent = self._agents.get(level) or Agent(
            self.planter, checks=level, budget=Budget(seconds=SECONDS, tokens=10**9), **self._how
        )
        self._agents[level] = agent
        first = claims[0]
        image = self._images.get(first.patient) or load_patient(first.patient).image()
        self._images[first.patient] = image
        boxes: list[Any] = []
        told: list[Any] = []
        for claim in claims:
            names = [f"E{len(boxes) + 1 + n}" for n in range(len(claim.boxes))]
            boxes += list(claim.boxes)
            told.append({"text": claim.text, "evidence": names})
        self.planter.answer = {"text": "These are the findings.", "claims": told}
        start = [agent.overview(image, first.slice_index)]
        result = agent.ask(image, QUESTION, start=start, boxes=boxes)
        if result.stopped_by != "answer":
            raise RuntimeError(f"the planted answer did not stand: {result.stopped_by}, {result.failure}")
        steps = [step for step in result.steps if step.tool == "check"]
        return [
            _outcome(
                claim, result.answer.claims[n].refuted, [s for s in steps if s.arguments.get("claim") == n]
            )
            for n, claim in enumerate(claims)
        ]


def _outcome(claim: Planted, refuted: str | None, steps: Sequence[Any]) -> Outcome:
    votes: dict[str, str] = {}
    for step in steps:
        votes |= step.facts.get("votes", {})
    asked = [step for step in steps if step.arguments["kind"] == "presence"]
    return Outcome(
        claim,
        refuted,
        votes,
        tuple(step.facts["score"] for step in asked if "score" in step.facts),
        sum(step.facts["usage"]["calls"] for step in steps if "usage" in step.facts),
        len(asked),
    )
