"""Replies are read strictly, and no reply at all makes the reader raise."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langchain_core.messages.tool import invalid_tool_call, tool_call

from foveate.agent.models.parsing import MAX_CALLS, ParsedReply, parse_reply
from foveate.agent.models.profiles import PROFILES, profile_named

POCKET = profile_named("pocket")
CROP = {"name": "crop", "arguments": {"box": [1, 2, 3, 4]}}
ANSWER = {"name": "answer", "arguments": {"text": "yes", "claims": [], "confidence": 0.9}}


def hermes(*calls: Any) -> str:
    return "".join(f"<tool_call>\n{json.dumps(call)}\n</tool_call>" for call in calls)


def read(text: str, profile: str = "pocket") -> ParsedReply:
    return parse_reply(AIMessage(text), profile_named(profile))


@pytest.mark.parametrize(
    "text",
    [
        hermes(CROP),
        "I look closer. " + hermes(CROP),
        "```json\n" + json.dumps(CROP) + "\n```",
        "```json\n" + json.dumps([CROP]) + "\n```\n",
        json.dumps(CROP),
        "<think>maybe <tool_call> or not</think>" + hermes(CROP),
        hermes({"name": "crop", "arguments": json.dumps(CROP["arguments"])}),
    ],
)
def test_one_call_in_every_accepted_form(text: str) -> None:
    reply = read(text)
    assert reply.error is None and reply.answer is None
    [call] = reply.tool_calls
    assert (call.name, call.arguments) == ("crop", {"box": [1, 2, 3, 4]})


def test_parallel_calls_keep_order_and_have_their_own_ids() -> None:
    reply = read(hermes(CROP, {"name": "ground", "arguments": {"phrase": "liver"}}))
    assert [call.name for call in reply.tool_calls] == ["crop", "ground"]
    assert len({call.id for call in reply.tool_calls}) == 2


def test_native_calls_come_before_text() -> None:
    message = AIMessage("thinking", tool_calls=[tool_call(name="crop", args={"x": 1}, id="abc")])
    [call] = parse_reply(message, POCKET).tool_calls
    assert (call.name, call.arguments, call.id) == ("crop", {"x": 1}, "abc")


def test_answer_is_told_from_tools() -> None:
    reply = read("Done. " + hermes(ANSWER))
    assert reply.answer == ANSWER["arguments"] and not reply.tool_calls and reply.text == "Done."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("<think>hm</think>", "empty"),
        ("The liver is on the left.", "no tool call"),
        ("<tool_call>{}", "not closed"),
        ("<tool_call>{'name': 'crop'}</tool_call>", "not valid JSON"),
        ('<tool_call>{"name": "crop"</tool_call>', "not valid JSON"),
        (hermes({"name": "crop"}), "arguments"),
        (hermes({"arguments": {}}), '"name"'),
        (hermes({"name": 3, "arguments": {}}), '"name"'),
        (hermes({"name": "crop", "arguments": [1]}), "JSON object"),
        (hermes({"name": "crop", "arguments": "{"}), "JSON object"),
        (hermes("crop"), "must be an object"),
        ("```json\n[]\n```", "empty"),
        ('<tool_call>{"name": "crop", "arguments": {"x": NaN}}</tool_call>', "NaN"),
        (hermes(ANSWER, CROP), "only call"),
        (hermes(*[CROP] * (MAX_CALLS + 1)), "at most"),
        ("[" * 200_000, "longer than"),
        ("<tool_call>" + "[" * 90_000 + "</tool_call>", "nested|not valid"),
    ],
)
def test_what_does_not_parse_says_why(text: str, reason: str) -> None:
    reply = read(text)
    assert not reply.tool_calls and reply.answer is None
    assert reply.error and re.search(reason, reply.error)


def test_invalid_native_arguments_are_an_error() -> None:
    bad = invalid_tool_call(name="zoom", args='{"factor": ', id="1", error="bad json")
    reply = parse_reply(AIMessage("", invalid_tool_calls=[bad]), POCKET)
    assert reply.error and "zoom" in reply.error


def test_a_family_without_tools_answers_in_its_own_box_text() -> None:
    reply = read("<loc0256><loc0256><loc0768><loc0512> nodule", "paligemma")
    assert reply.answer is not None
    assert reply.answer["claims"] == [{"text": "nodule", "box": [256, 256, 768, 512]}]
    assert read("<loc0256> nodule", "paligemma").error


blocks = st.lists(
    st.text(max_size=20)
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "image", "other"])}, optional={"text": st.text(max_size=9)}
    ),
    max_size=4,
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
likely = st.fixed_dictionaries(
    {"name": st.sampled_from(["answer", "crop", "", "x"]) | json_values, "arguments": json_values}
).map(json.dumps)
pieces = st.sampled_from(
    ["<tool_call>", "</tool_call>", "```json\n", "```", "{", "}", "[", "\n", "<think>", "</think>"]
)
texts = st.text(max_size=80) | st.lists(pieces | likely | st.text(max_size=5), max_size=8).map("".join)


@settings(max_examples=500, deadline=None)
@given(content=texts | blocks, profile=st.sampled_from(PROFILES))
def test_any_reply_is_calls_or_an_answer_or_an_error(content: Any, profile: Any) -> None:
    reply = parse_reply(AIMessage(content), profile)
    kinds = [bool(reply.tool_calls), reply.answer is not None, reply.error is not None]
    assert sum(kinds) == 1
    if reply.error is not None:
        assert reply.error.strip()
    for call in reply.tool_calls:
        json.dumps(call.arguments, allow_nan=False)


plain_json: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('ab {}[]"\\'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz"), inner, max_size=3),
    max_leaves=6,
)
call = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["crop", "zoom", "ground"]),
        "arguments": st.dictionaries(st.text("ab"), plain_json, max_size=3),
    }
)


@settings(max_examples=150, deadline=None)
@given(calls=st.lists(call, min_size=1, max_size=5), prose=st.text("abc .", max_size=10))
def test_what_a_model_writes_is_what_is_read(calls: list[dict[str, Any]], prose: str) -> None:
    reply = read(prose + hermes(*calls))
    assert [{"name": c.name, "arguments": c.arguments} for c in reply.tool_calls] == calls
    assert reply.text == prose.strip()
