"""Whatever a model writes, the run ends within its budgets, in a stated way, with a legal answer."""

from __future__ import annotations

import json
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.agent.answer import GroundedAnswer
from foveate.agent.budget import Budget, StoppedBy
from foveate.agent.models.profiles import profile_named
from foveate.agent.run import Agent

from .scripted import FakeGrounder, ScriptedModel, ct_volume

IMAGE = ct_volume(slices=3, side=32)
BUDGET = Budget(steps=6, repairs=2, seconds=60)
MODELS = {name: ScriptedModel(replies=[""]) for name in ("pocket", "gemma", "radvlm", "gemini")}
AGENTS = {
    name: Agent(
        model, grounder=FakeGrounder({"x": (1.0, 1.0, 9.0, 9.0)}), profile=profile_named(name), budget=BUDGET
    )
    for name, model in MODELS.items()
}

numbers = st.integers(-2000, 2000) | st.floats()
values = st.recursive(
    st.none()
    | st.booleans()
    | numbers
    | st.text(max_size=8)
    | st.sampled_from(["E1", "V0", "V1", "x", "lung"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
tools = st.sampled_from(
    ["ground", "crop", "zoom", "window", "flip_rotate", "slice", "measure", "relate", "answer", "", "exec"]
)
names = st.sampled_from(
    [
        "box",
        "region",
        "view",
        "phrase",
        "factor",
        "target",
        "preset",
        "center",
        "width",
        "turns",
        "flip",
        "index",
        "a",
        "b",
        "text",
        "claims",
        "confidence",
        "abstained",
        "reason",
    ]
)
arguments = st.dictionaries(names, values | st.lists(numbers, min_size=4, max_size=4), max_size=4)
calls = st.builds(
    lambda name, args: "<tool_call>" + json.dumps({"name": name, "arguments": args}) + "</tool_call>",
    tools,
    arguments,
)
replies = (
    st.lists(calls, min_size=1, max_size=3).map("\n".join) | st.text(max_size=60) | st.text().map(json.dumps)
)


@settings(max_examples=80, deadline=None)
@given(st.lists(replies, min_size=1, max_size=5), st.sampled_from(sorted(MODELS)))
def test_any_reply_ends_in_a_stated_way(script: list[str], profile: str) -> None:
    model = MODELS[profile]
    model.replies, model.shown = list(script), []
    result = AGENTS[profile].ask(IMAGE, "Where is x?")
    assert result.stopped_by in get_args(StoppedBy)
    assert result.usage["calls"] <= BUDGET.steps
    answer = GroundedAnswer.model_validate(result.to_json() | {"text": result.answer.text})
    known = {evidence.id for evidence in answer.evidence}
    assert all(set(claim.evidence) <= known for claim in answer.claims)
    assert all(claim.supported for claim in answer.claims if claim.evidence)
    json.dumps(result.trace(), allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(arguments)
def test_any_arguments_of_an_answer_are_taken_or_refused(args: dict[str, Any]) -> None:
    from foveate.agent.answer import AnswerError, read_answer

    try:
        given_answer = read_answer(args)
    except AnswerError as error:
        assert "\n" not in str(error)
    else:
        assert given_answer.confidence is None or 0 <= given_answer.confidence <= 1
