"""Looking again in a run: as the model's own call and as the node after the answer, within the budget."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from foveate.agent.budget import Budget
from foveate.agent.models.decoding import Decoding
from foveate.agent.models.profiles import profile_for
from foveate.agent.resample import TEMPERATURE
from foveate.agent.result import Result
from foveate.agent.run import Agent, InputError
from foveate.tools.semsam.options import Options

from .scripted import ScriptedModel, call, picture

USAGE = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}


def looked(text: str, box: list[float] | None = None) -> AIMessage:
    claims = [{"text": text, "box": box}] if box else []
    return AIMessage(call("answer", text=text, claims=claims), usage_metadata=USAGE)  # type: ignore[arg-type]


class SamplingModel(ScriptedModel):
    """A scripted model that was made with semantic sampling: each seed has its own reply."""

    decoding: Any = Decoding(Options())
    looks: list[Any]
    drawn: list[Any]

    def sampling(self, temperature: float, seed: int) -> ScriptedModel:
        self.drawn.append((temperature, seed))
        return ScriptedModel(replies=[self.looks[seed]])


def run(
    model: SamplingModel, refine: int = 0, budget: Budget | None = None, family: str = "qwen3-vl"
) -> Result:
    agent = Agent(model, grounder=None, profile=profile_for(family), refine=refine, budget=budget)
    return agent.ask(picture(), "Is the heart left of the liver?")


def test_the_node_after_the_answer_tells_how_far_the_looks_agree() -> None:
    looks = [
        looked("Yes, left.", [0, 0, 500, 500]),
        looked("yes: left"),
        looked("No, right."),
        AIMessage("what?"),
    ]
    model = SamplingModel(replies=[call("answer", text="Yes, left.")], looks=looks, drawn=[])
    told = json.loads(json.dumps(run(model, refine=4).to_json()))
    assert told["answer"] == "Yes, left." and told["stopped_by"] == "answer"
    assert [step["tool"] for step in told["steps"]] == ["answer", "refine"]
    uncertainty = told["uncertainty"]
    assert uncertainty["agrees"] and uncertainty["consensus"] == pytest.approx(2 / 3, abs=1e-3)
    assert uncertainty["samples"] == 4 and uncertainty["answered"] == 3
    assert told["usage"]["calls"] == 1 + 4 and told["usage"]["input_tokens"] == 21
    assert sorted(model.drawn) == [(TEMPERATURE, seed) for seed in range(4)]
    assert "3 of 4 looks" in told["steps"][1]["observation"]


def test_the_model_may_call_it_itself_and_cite_what_it_found() -> None:
    looks = [looked("Left.", [100, 100, 500, 500])] * 3
    replies = [
        call("refine", question="Is the heart left?", samples=3),
        call("answer", text="Left.", claims=[{"text": "left", "evidence": ["E1"]}]),
    ]
    result = run(SamplingModel(replies=replies, looks=looks, drawn=[]))
    [evidence] = result.answer.evidence
    assert evidence.tool == "refine" and evidence.box == pytest.approx((20, 10, 100, 50))
    assert result.steps[0].facts["consensus"] == 1 and result.answer.claims[0].supported


def test_a_compact_model_is_not_offered_a_tool_it_was_not_taught() -> None:
    shown: list[Any] = []

    class Listening(SamplingModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            shown.append([tool["function"]["name"] for tool in tools])
            return self

    offered = {}
    for family in ("pocket", "qwen3-vl"):
        shown.clear()
        run(Listening(replies=[call("answer", text="Left.")], looks=[], drawn=[]), family=family)
        offered[family] = {name for names in shown for name in names}
    assert "refine" not in offered["pocket"] and "refine" in offered["qwen3-vl"]


def test_looks_see_one_view_and_only_the_answer_tool() -> None:
    seen: list[Any] = []

    def look(messages: list[Any]) -> Any:
        seen.append(messages)
        return looked("Left.")

    run(SamplingModel(replies=[call("answer", text="Left.")], looks=[look] * 2, drawn=[]), refine=2)
    for messages in seen:
        [asked] = [m for m in messages if isinstance(m, HumanMessage)]
        kinds = [block["type"] for block in asked.content if isinstance(block, dict)]
        assert kinds == ["image", "text"] and "heart left of the liver" in asked.text


def test_no_look_without_semantic_sampling() -> None:
    with pytest.raises(InputError, match="semantic sampling"):
        Agent(ScriptedModel(replies=["x"]), grounder=None, refine=3)


def test_a_failed_look_again_leaves_the_answer() -> None:
    model = SamplingModel(
        replies=[call("answer", text="Left.")], looks=[RuntimeError("secret")] * 2, drawn=[]
    )
    result = run(model, refine=2)
    assert result.answer.text == "Left." and result.stopped_by == "answer"
    assert not result.steps[-1].ok and "secret" not in str(result.to_json())
    assert "uncertainty" not in result.to_json()


def test_a_spent_budget_leaves_no_room_for_another_look() -> None:
    reply = AIMessage(call("answer", text="Left."), usage_metadata=USAGE)  # type: ignore[arg-type]
    model = SamplingModel(replies=[reply], looks=[looked("Left.")] * 2, drawn=[])
    result = run(model, refine=2, budget=Budget(tokens=10))
    assert [step.tool for step in result.steps] == ["answer"] and model.drawn == []


def test_a_follow_up_knows_the_boxes_of_an_answer_that_was_looked_at_again() -> None:
    seen: list[Any] = []

    def second(messages: list[Any]) -> AIMessage:
        seen.extend(messages)
        return looked("It is the heart.")

    replies = [looked("Left.", [100, 100, 500, 500]), second]
    model = SamplingModel(replies=replies, looks=[looked("Left.")] * 2, drawn=[])
    agent = Agent(model, grounder=None, profile=profile_for("qwen3-vl"), refine=2)
    chat = agent.session(picture())
    first = chat.ask("Is the heart left of the liver?")
    assert first.steps[-1].tool == "refine"
    chat.ask("What is in that box?")
    [drawn] = first.answer.evidence
    assert any(isinstance(m, ToolMessage) and drawn.id in m.text for m in seen)
