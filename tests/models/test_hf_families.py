"""One chat turn in process for a tiny random checkpoint of every family that works without torchvision."""

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from PIL import Image

from foveate.agent.models.factory import chat_model
from foveate.agent.models.profiles import profile_for

from .tiny import save_qwen
from .tiny_others import SAVERS

pytestmark = pytest.mark.slow


def picture(width: int, height: int) -> dict[str, Any]:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(file, "PNG")
    return {"type": "image", "base64": base64.b64encode(file.getvalue()).decode(), "mime_type": "image/png"}


@pytest.mark.parametrize("family", SAVERS)
def test_one_turn(family: str, tmp_path: Path) -> None:
    save, profile = SAVERS[family]
    spec = f"hf:{save(tmp_path / family)}"
    assert profile_for(spec).name == profile
    question = HumanMessage([picture(112, 90), {"type": "text", "text": "Where is the liver?"}])
    call = {"name": "crop", "args": {"box": [1, 2, 3, 4]}, "id": "a", "type": "tool_call"}
    turns = [AIMessage("", tool_calls=[call]), ToolMessage("V1 crop", tool_call_id="a")]
    look = HumanMessage([picture(64, 64), {"type": "text", "text": "Does it show it?"}])
    model = chat_model(spec, max_tokens=5)
    reply = model.invoke([SystemMessage("Be short."), question, *turns, look])
    assert isinstance(reply, AIMessage) and reply.usage_metadata is not None
    assert 1 <= reply.usage_metadata["output_tokens"] <= 6
    assert reply.response_metadata["finish_reason"] in ("length", "stop")
    assert model.invoke([question]).content == model.invoke([question]).content


@pytest.mark.parametrize("model_type", ["qwen2_vl", "qwen3_vl"])
def test_other_qwen_generations(model_type: str, tmp_path: Path) -> None:
    save_qwen(tmp_path, model_type)
    spec = f"hf:{tmp_path}"
    assert profile_for(spec).name == model_type.replace("_", "-")
    reply = chat_model(spec, max_tokens=5).invoke(
        [HumanMessage([picture(224, 100), picture(56, 56), {"type": "text", "text": "Hi"}])]
    )
    assert reply.usage_metadata is not None and reply.usage_metadata["input_tokens"] > 20
