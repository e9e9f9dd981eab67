"""A server's good replies are passed on; its bad days end in one clear sentence without the key."""

import asyncio
import base64
import io
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from PIL import Image

from foveate.agent.models.errors import ModelError
from foveate.agent.models.factory import chat_model
from foveate.agent.models.parsing import parse_reply
from foveate.agent.models.profiles import profile_named

from .fake_server import FakeServer, completion, function_call, serving

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    monkeypatch.setenv("FOVEATE_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving() as server:
        yield server


@tool
def crop(box: list[int]) -> str:
    """Cut out a box."""
    return str(box)


def picture_block() -> dict[str, str]:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    return {"type": "image", "base64": base64.b64encode(file.getvalue()).decode(), "mime_type": "image/png"}


def ask(fake: FakeServer, name: str = "Qwen/Qwen3-VL-8B", **options: Any) -> AIMessage:
    model = chat_model(f"openai:{name}", fake.url, **options).bind_tools([crop])
    question = HumanMessage([picture_block(), {"type": "text", "text": "where?"}])
    call = {"name": "crop", "args": {"box": [1]}, "id": "a", "type": "tool_call"}
    turns = [AIMessage("", tool_calls=[call]), ToolMessage("V1 crop", tool_call_id="a")]
    return model.invoke([SystemMessage("be short"), question, *turns, HumanMessage("go on")])


def test_request_and_reply(fake: FakeServer) -> None:
    reply = ask(fake)
    assert reply.content == "hello"
    assert reply.usage_metadata is not None and reply.usage_metadata["input_tokens"] == 11
    [sent] = fake.requests
    assert sent["model"] == "Qwen/Qwen3-VL-8B" and sent["temperature"] == 0 and sent["max_tokens"] == 512
    assert not sent.get("stream") and "skip_special_tokens" not in sent
    assert [m["role"] for m in sent["messages"]] == ["system", "user", "assistant", "tool", "user"]
    assert sent["messages"][1]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert sent["tools"][0]["function"]["name"] == "crop"
    assert fake.keys == [f"Bearer {KEY}"]


def test_tool_calls_are_read(fake: FakeServer) -> None:
    fake.answer = completion(None, [function_call("crop", '{"box": [1, 2, 3, 4]}')])
    [call] = parse_reply(ask(fake), profile_named("qwen3-vl")).tool_calls
    assert (call.name, call.arguments) == ("crop", {"box": [1, 2, 3, 4]})


@pytest.mark.parametrize("arguments", ["", "null"])
def test_no_arguments_are_an_empty_object(fake: FakeServer, arguments: str) -> None:
    fake.answer = completion(None, [function_call("crop", arguments)])
    [call] = parse_reply(ask(fake), profile_named("qwen3-vl")).tool_calls
    assert call.arguments == {}


@pytest.mark.parametrize("arguments", ['{"box": [1, 2', "[1, 2]", "3", '"text"'])
def test_malformed_arguments_go_to_repair(fake: FakeServer, arguments: str) -> None:
    fake.answer = completion(None, [function_call("crop", arguments)])
    try:
        reply = parse_reply(ask(fake), profile_named("qwen3-vl"))
    except ModelError as error:  # arguments that LangChain itself refuses
        assert "chat completion" in str(error)
        return
    assert reply.error and "crop" in reply.error


@pytest.mark.parametrize("content", ["", None, "   "])
def test_an_empty_reply_is_told_to_the_model(fake: FakeServer, content: str | None) -> None:
    fake.answer = completion(content)
    assert parse_reply(ask(fake), profile_named("qwen3-vl")).error == "the reply is empty"


def test_families_without_tool_turns_get_plain_alternating_ones(fake: FakeServer) -> None:
    ask(fake, name="google/medgemma-1.5-4b-it")
    [sent] = fake.requests
    assert "tools" not in sent
    assert [m["role"] for m in sent["messages"]] == ["system", "user", "assistant", "user"]
    assert "crop" in json.dumps(sent["messages"][2]["content"])
    assert "V1 crop" in json.dumps(sent["messages"][3]["content"])


def test_box_tokens_are_asked_for_where_they_are_special(fake: FakeServer) -> None:
    ask(fake, name="Qwen/Qwen2-VL-7B-Instruct")
    assert fake.requests[0]["skip_special_tokens"] is False


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "HTTP 400"),
        (401, "refused the API key"),
        (403, "refused the API key"),
        (404, "has no model"),
        (422, "HTTP 422"),
        (429, "rate limit"),
        (500, "HTTP 500"),
        (503, "HTTP 503"),
    ],
)
def test_http_errors(fake: FakeServer, status: int, words: str) -> None:
    fake.status = status
    fake.answer = {"error": {"message": f"bad key {KEY}\nTraceback: x", "type": "x", "code": 1}}
    with pytest.raises(ModelError, match=words) as caught:
        ask(fake)
    assert_clean(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>proxy login</html>",
        b'{"choices": [',
        b"",
        b"null",
        b"[]",
        {},
        {"choices": []},
        {"choices": None},
        {"choices": [{"index": 0}]},
        {"choices": [{"index": 0, "message": None}]},
        {"error": {"message": KEY}},
        b"\xff\xfe",
    ],
)
def test_garbage(fake: FakeServer, answer: Any) -> None:
    fake.answer = answer
    with pytest.raises(ModelError) as caught:
        ask(fake)
    assert_clean(caught.value)


def test_dropped_connection(fake: FakeServer) -> None:
    fake.answer = "drop"
    with pytest.raises(ModelError, match="dropped the connection") as caught:
        ask(fake)
    assert_clean(caught.value)


def test_timeout(fake: FakeServer) -> None:
    fake.wait = 5.0
    with pytest.raises(ModelError, match="in time") as caught:
        ask(fake, timeout=0.2)
    assert_clean(caught.value)


def test_asynchronous_calls_fail_alike(fake: FakeServer) -> None:
    fake.status = 401
    model = chat_model("openai:m", fake.url)
    with pytest.raises(ModelError, match="refused the API key"):
        asyncio.run(model.ainvoke("hello"))


def test_nothing_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    model = chat_model("openai:m", f"http://user:{KEY}@127.0.0.1:{port}/v1")
    with pytest.raises(ModelError, match="cannot be reached") as caught:
        model.invoke("hello")
    assert_clean(caught.value)


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "ftp://host/v1", "http://", "http://host:port/v1", "", "http://[/v1"]
)
def test_bad_base_url(url: str) -> None:
    with pytest.raises(ModelError, match="base URL must look like"):
        chat_model("openai:m", url)


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FOVEATE_API_KEY", "OPENAI_API_KEY", "MY_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        chat_model("openai:gpt-4o")
    with pytest.raises(ModelError, match="MY_KEY"):
        chat_model("openai:m", "http://127.0.0.1:1/v1", "MY_KEY")
    assert chat_model("openai:m", "http://127.0.0.1:1/v1") is not None
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert KEY not in repr(chat_model("openai:gpt-4o"))


@pytest.mark.parametrize("spec", ["", "openai:", "hf:", "scripted:", "gpt-4o", "ollama:x", "pocket:x"])
def test_what_is_no_model(spec: str) -> None:
    with pytest.raises(ModelError, match="not a model"):
        chat_model(spec)


def test_base_url_belongs_to_servers() -> None:
    with pytest.raises(ModelError, match="openai:NAME"):
        chat_model("pocket", "http://127.0.0.1:1/v1")


def assert_clean(error: ModelError) -> None:
    """One sentence, no key, and no cause that a traceback would print the key from."""
    assert KEY not in str(error) and "\n" not in str(error) and len(str(error)) < 400
    assert error.__cause__ is None and error.__suppress_context__
