"""Runs planted claims through the real graph: the answer is planted, what the checks ask is asked for real.

Knows the agent and the planted claims; nothing of tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from foveate.agent.budget import Budget
from foveate.agent.checks.level import Level
from foveate.agent.models.factory import chat_model
from foveate.agent.models.profiles import profile_for
from foveate.agent.run import Agent
from foveate.agent.trace import Step
from foveate.pocket.data import load_patient
from foveate.pocket.planted import Planted
from foveate.pocket.played import PlayedModel
from foveate.tools.imaging.image import SourceImage

QUESTION = "What do you see?"
SECONDS = 3600.0


class PlantingModel(PlayedModel):
    """Gives the planted answer to the question; every later question goes to the model `name_of_inner`."""

    name_of_inner: str
    inner: Any = None
    answer: dict[str, Any] | None = None

    @property
    def _llm_type(self) -> str:
        return "foveate-planted"

    def reply(self, messages: list[BaseMessage]) -> AIMessage:
        if self.answer is not None:
            call = {"name": "answer", "args": self.answer, "id": "planted", "type": "tool_call"}
            self.answer = None
            return AIMessage("", tool_calls=[call])
        # loaded when it is first asked: where the model's word counts for nothing it never is
        self.inner = self.inner or chat_model(self.name_of_inner, None)
        message: AIMessage = self.inner.invoke(messages)
        return message


@dataclass(frozen=True)
class Outcome:
    """What became of one planted claim.

    `refuted`: why it fell, None where it stands. `votes` are those of the witnesses; `scores` the presences
    (0 to 1) and `overlaps` the IoU of what the grounder found with the evidence, one for each region asked
    about, an overlap None where it marked nothing. Calls are counted.
    """

    claim: Planted
    refuted: str | None
    votes: dict[str, str]
    scores: tuple[float, ...]
    overlaps: tuple[float | None, ...]
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
        """The outcomes of claims about one slice, in their order; at least one. Raises RuntimeError where the
        planted answer does not come through the graph."""
        first = claims[0]
        agent, image = self._agent(level), self._image(first.patient)
        told, boxes = _answered(claims)
        self.planter.answer = {"text": "These are the findings.", "claims": told}
        start = [agent.overview(image, first.slice_index)]
        result = agent.ask(image, QUESTION, start=start, boxes=boxes)
        if result.stopped_by != "answer":
            raise RuntimeError(f"the planted answer did not stand: {result.stopped_by}, {result.failure}")
        steps = [step for step in result.steps if step.tool == "check"]
        return [
            _outcome(claim, stated.refuted, [s for s in steps if s.arguments.get("claim") == n])
            for n, (claim, stated) in enumerate(zip(claims, result.answer.claims, strict=True))
        ]

    def _agent(self, level: Level) -> Agent:
        if level not in self._agents:
            budget = Budget(seconds=SECONDS, tokens=10**9)
            self._agents[level] = Agent(self.planter, checks=level, budget=budget, **self._how)
        return self._agents[level]

    def _image(self, patient: str) -> SourceImage:
        if patient not in self._images:
            self._images[patient] = load_patient(patient).image()
        return self._images[patient]


def _answered(claims: Sequence[Planted]) -> tuple[list[dict[str, Any]], list[Any]]:
    """The claims as an answer states them, and the boxes of all, which the graph will name E1, E2…"""
    boxes: list[Any] = []
    told: list[dict[str, Any]] = []
    for claim in claims:
        names = [f"E{len(boxes) + 1 + n}" for n in range(len(claim.boxes))]
        boxes += list(claim.boxes)
        told.append({"text": claim.text, "evidence": names})
    return told, boxes


def _outcome(claim: Planted, refuted: str | None, steps: Sequence[Step]) -> Outcome:
    votes: dict[str, str] = {}
    for step in steps:
        votes |= step.facts.get("votes", {})
    asked = [step for step in steps if step.arguments["kind"] == "presence"]
    scored = [step.facts for step in asked if "score" in step.facts]
    return Outcome(
        claim,
        refuted,
        votes,
        scores=tuple(facts["score"] for facts in scored),
        overlaps=tuple(facts["overlap"] for facts in scored),
        model_calls=sum(step.facts["usage"]["calls"] for step in steps if "usage" in step.facts),
        grounder_calls=len(asked),
    )
