"""A recorded trace is replayed reply by reply, whatever the tools gave."""

import json
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from foveate.agent.models.errors import ModelError
from foveate.agent.models.factory import chat_model
from foveate.agent.models.profiles import profile_for

CALL = {"name": "crop", "args": {"box": [1, 2, 3, 4]}, "id": "call00001", "type": "tool_call"}
TRACE = {
    "profile": "qwen3-vl",
    "replies": [
        {
            "content": "",
            "tool_calls": [CALL],
            "usage": {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8},
        },
        {"content": "prose"},
    ],
}


def test_replies_follow_the_conversation(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(TRACE))
    model = chat_model(f"scripted:{file}").bind_tools([])  # type: ignore[attr-defined]
    question = HumanMessage("where?")
    first = model.invoke([question])
    assert first.tool_calls == [CALL] and first.usage_metadata["total_tokens"] == 8
    again = model.invoke([question])
    assert again.tool_calls == first.tool_calls  # the replay keeps no count of its own
    second = model.invoke([question, first, ToolMessage("done", tool_call_id="call00001")])
    assert second.content == "prose"
    with pytest.raises(ModelError, match="2 replies"):
        model.invoke([question, first, second, question])
    assert profile_for(f"scripted:{file}").name == "qwen3-vl"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"replies": 3}', '{"replies": [{}]}', '{"replies": [3]}', "[" * 100_000]
)
def test_a_file_that_is_no_trace(tmp_path: Path, text: str) -> None:
    file = tmp_path / "run.json"
    file.write_text(text)
    with pytest.raises(ModelError, match=r"run\.json"):
        chat_model(f"scripted:{file}")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.json"):
        chat_model(f"scripted:{tmp_path / 'gone.json'}")


def test_a_reply_is_handed_out_as_a_copy(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(TRACE))
    model = chat_model(f"scripted:{file}")
    reply = model.invoke("x")
    assert isinstance(reply, AIMessage)
    reply.tool_calls.clear()
    assert model.invoke("x").tool_calls == [CALL]  # type: ignore[attr-defined]
