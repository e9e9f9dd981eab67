"""The result of one question, and its JSON form, which is the contract of `ask --json`.

Reads a final state; knows no graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage

from foveate.agent.answer import GroundedAnswer
from foveate.agent.checks.report import checks_told
from foveate.agent.gate import faults
from foveate.agent.refining import uncertainty
from foveate.agent.state import AgentState, Usage, views_of
from foveate.agent.trace import Step, call_id
from foveate.tools.imaging.views import View


@dataclass(frozen=True)
class Result:
    """`steps` are those of this question; `state` is the whole conversation and can be passed on as
    `history`. `decoding`: how tokens were chosen, where not in the ordinary way, and what that did."""

    answer: GroundedAnswer
    steps: tuple[Step, ...]
    model: str
    profile: str
    usage: Usage
    seconds: float
    stopped_by: str
    failure: str | None
    state: AgentState
    decoding: dict[str, Any] | None = None

    @classmethod
    def of(
        cls,
        state: AgentState,
        model: str,
        profile: str,
        seconds: float,
        decoding: dict[str, Any] | None = None,
    ) -> Result:
        first = state["asked"]["steps"]
        said: dict[str, str] = {
            m.tool_call_id: m.text for m in state["messages"] if isinstance(m, ToolMessage)
        }
        return cls(
            answer=GroundedAnswer.model_validate(state["answer"]),
            steps=tuple(_step(record, said) for record in state["steps"][first:]),
            model=model,
            profile=profile,
            usage=state["usage"],
            seconds=seconds,
            stopped_by=str(state["stopped_by"]),
            failure=state.get("failure"),
            state=state,
            decoding=decoding,
        )

    @property
    def messages(self) -> list[AnyMessage]:
        """The conversation as the model saw it, with image_ref blocks in place of pixels."""
        return self.state["messages"]

    @property
    def views(self) -> dict[str, View]:
        """All views by name, oldest first."""
        return views_of(self.state)

    def to_json(self) -> dict[str, Any]:
        """A JSON-able object with everything that a script may rely on."""
        told = self.answer.model_dump(mode="json")
        return {
            "question": self.state["question"],
            "answer": told.pop("text"),
            **told,
            "steps": [step.model_dump(mode="json") for step in self.steps],
            "images": [{"id": name, **about} for name, about in self.state["images"].items()],
            "model": self.model,
            "profile": self.profile,
            **({"decoding": self.decoding} if self.decoding else {}),
            **({"uncertainty": looked} if (looked := uncertainty(self.answer.text, self.steps)) else {}),
            **({"checks": checked} if (checked := checks_told(self.steps)) else {}),
            **({"quality": poor} if (poor := faults(self.state)) else {}),
            "usage": dict(self.usage),
            "seconds": round(self.seconds, 3),
            "stopped_by": self.stopped_by,
            "failure": self.failure,
        }

    def trace(self) -> dict[str, Any]:
        """What a replay needs: the question, the model's replies as they were kept, and what the steps
        gave."""
        views = {name: view.model_dump(mode="json") for name, view in self.views.items()}
        return {**self.to_json(), "replies": self._replies(0), "views": views}

    def own_replies(self) -> list[dict[str, Any]]:
        """The model's replies to this question, as `trace` holds those of the whole conversation."""
        return self._replies(self.state["asked"]["turns"])

    def _replies(self, first: int) -> list[dict[str, Any]]:
        said = [message for message in self.messages if isinstance(message, AIMessage)]
        return [
            {"content": message.content, "tool_calls": message.tool_calls, "usage": message.usage_metadata}
            for message in said[first:]
        ]


def _step(record: dict[str, Any], said: dict[str, str]) -> Step:
    """The step with its observation, which the conversation holds where tools have messages of their own."""
    return Step.model_validate({"observation": said.get(call_id(record["n"]), ""), **record})
