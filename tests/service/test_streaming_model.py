"""A model server that streams: tokens reach the client as they come; its bad days are one sentence."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from foveate.agent.models.factory import chat_model
from foveate.agent.models.profiles import profile_named
from foveate.agent.run import Agent

from ..agent.scripted import picture as noise
from ..models.fake_server import FakeServer
from ..models.fake_server import serving as fake_server
from .server import serving

ARGUMENTS = json.dumps({"text": "A nodule on the left.", "claims": [], "abstained": True})


def sse(*deltas: dict[str, Any], end: bytes = b"data: [DONE]\n\n") -> bytes:
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    chunks.append({**head, "choices": [], "usage": usage})
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + end


def call_deltas(name: str, arguments: str) -> Iterator[dict[str, Any]]:
    first = {"index": 0, "id": "t1", "type": "function", "function": {"name": name, "arguments": ""}}
    yield {"role": "assistant", "content": None, "tool_calls": [first]}
    for at in range(0, len(arguments), 6):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": arguments[at : at + 6]}}]}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with fake_server() as server:
        yield server


def agent(fake: FakeServer) -> Agent:
    return Agent(chat_model("openai:m", fake.url), profile=profile_named("qwen3-vl"), grounder=None)


def test_the_answer_streams_out_of_a_native_call(fake: FakeServer) -> None:
    fake.answer = sse(*call_deltas("answer", ARGUMENTS))
    told = list(agent(fake).stream(noise(), "Is there a nodule?"))
    deltas = [event.data["delta"] for event in told if event.kind == "token"]
    assert "".join(deltas) == "A nodule on the left." and len(deltas) > 2
    assert told[-1].result is not None and told[-1].result.answer.text == "A nodule on the left."
    assert told[-1].result.usage["input_tokens"] == 11
    assert fake.requests[0]["stream"] is True


def test_without_a_listener_nothing_streams(fake: FakeServer) -> None:
    from ..models.fake_server import completion, function_call

    fake.answer = completion(None, [function_call("answer", ARGUMENTS)])
    assert agent(fake).ask(noise(), "Is there a nodule?").answer.text == "A nodule on the left."
    assert not fake.requests[0].get("stream")


@pytest.mark.parametrize("answer", [b"", b"<html>no</html>", b"data: {broken\n\n", "drop"])
def test_a_stream_that_breaks_is_one_sentence(fake: FakeServer, answer: Any) -> None:
    fake.answer = answer
    [*_, last] = agent(fake).stream(noise(), "Is there a nodule?")
    assert last.result is not None and last.result.stopped_by == "model_error"
    failure = last.result.failure or ""
    assert failure and "\n" not in failure and len(failure) < 250


@pytest.mark.parametrize("way", ["wait", "chat"])
def test_a_caller_who_waits_for_the_whole_has_the_model_stream_nothing(
    fake: FakeServer, tmp_path: Path, picture: Path, way: str
) -> None:
    from ..models.fake_server import completion, function_call

    fake.answer = completion(None, [function_call("answer", ARGUMENTS)])
    model = chat_model("openai:m", fake.url)
    with serving(tmp_path / "data", model, profile="qwen3-vl", base_url=fake.url) as client:
        if way == "wait":
            turn = client.ask(client.session(picture), "Is there a nodule?").json()
            assert turn["result"]["answer"] == "A nodule on the left."
        else:
            data = base64.b64encode(picture.read_bytes()).decode()
            url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
            content = [url, {"type": "text", "text": "Is there a nodule?"}]
            body = {"model": "foveate", "messages": [{"role": "user", "content": content}]}
            told = client.http.post("/v1/chat/completions", json=body).json()
            assert told["choices"][0]["message"]["content"].startswith("A nodule on the left.")
    assert not any(request.get("stream") for request in fake.requests)


def test_tokens_reach_a_client_of_the_service(fake: FakeServer, tmp_path: Path, picture: Path) -> None:
    fake.answer = sse(*call_deltas("answer", ARGUMENTS))
    model = chat_model("openai:m", fake.url)
    with serving(tmp_path / "data", model, profile="qwen3-vl", base_url=fake.url) as client:
        told = list(client.stream(client.session(picture), "Is there a nodule?"))
    deltas = [data["delta"] for _, kind, data in told if kind == "token"]
    assert "".join(deltas) == "A nodule on the left." and len(deltas) > 2
