"""LangChain messages -> the message lists that chat templates and servers take.

Decodes image blocks, flattens tool turns for families whose template has no tool role. Knows no model.
Remote image URLs are refused: a model call must never fetch anything.
"""

import base64
import binascii
import io
import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from PIL import Image, UnidentifiedImageError

from foveate.agent.models.errors import ModelError

_ROLES = {"system": "system", "human": "user", "ai": "assistant", "tool": "tool"}


def template_messages(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Messages for `processor.apply_chat_template`: images are PIL pictures inside their blocks.

    Raises ModelError for a block that is neither text nor an embedded image.
    """
    return [_template_message(message) for message in messages]


def _template_message(message: BaseMessage) -> dict[str, Any]:
    role = _ROLES.get(message.type)
    if role is None:
        raise ModelError(f"a message of type {message.type!r} cannot be sent to a model")
    converted: dict[str, Any] = {
        "role": role,
        "content": [_template_block(b) for b in content_blocks(message)],
    }
    if isinstance(message, AIMessage) and message.tool_calls:
        converted["tool_calls"] = [
            {"type": "function", "function": {"name": call["name"], "arguments": call["args"]}}
            for call in message.tool_calls
        ]
    if isinstance(message, ToolMessage) and message.name:
        converted["name"] = message.name
    return converted


def content_blocks(message: BaseMessage) -> list[Any]:
    """The content as a list of blocks, empty text left out."""
    content: Any = message.content
    blocks = [content] if isinstance(content, str) else content
    listed = [{"type": "text", "text": b} if isinstance(b, str) else dict(b) for b in blocks]
    return [b for b in listed if b.get("type") != "text" or b.get("text")]


def _template_block(block: dict[str, Any]) -> dict[str, Any]:
    if block.get("type") == "text":
        return {"type": "text", "text": str(block["text"])}
    if block.get("type") in ("image", "image_url"):
        return {"type": "image", "image": decode_image(block)}
    raise ModelError(f"a content block of type {block.get('type')!r} cannot be sent to a model")


def decode_image(block: dict[str, Any]) -> Image.Image:
    """The RGB picture of a standard image block (base64 or data URL). Raises ModelError."""
    data = _base64_of(block)
    try:
        picture = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
        return picture.convert("RGB")
    except (binascii.Error, UnidentifiedImageError, OSError, ValueError) as error:
        raise ModelError("an image block does not hold a readable base64 picture") from error


def _base64_of(block: dict[str, Any]) -> str:
    if block.get("base64"):
        return str(block["base64"])
    if block.get("source_type") == "base64":
        return str(block.get("data", ""))
    url = block.get("image_url", block.get("url"))
    url = url.get("url") if isinstance(url, dict) else url
    if isinstance(url, str) and url.startswith("data:") and ";base64," in url:
        return url.split(";base64,", 1)[1]
    raise ModelError("an image block must hold base64 data; addresses are not fetched")


def flatten_tool_turns(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """For templates with neither a tool role nor tool calls: only system, user and assistant remain.

    A call becomes a fenced JSON block in the assistant's text, a result becomes user text, and neighbours
    of one role are merged, because such templates want the roles to alternate.
    """
    flat: list[BaseMessage] = []
    for message in messages:
        plain = _without_tools(message)
        if flat and type(flat[-1]) is type(plain) and not isinstance(plain, SystemMessage):
            merged: list[Any] = content_blocks(flat[-1]) + content_blocks(plain)
            flat[-1] = type(plain)(content=merged)
        else:
            flat.append(plain)
    return flat


def _without_tools(message: BaseMessage) -> BaseMessage:
    if isinstance(message, ToolMessage):
        return HumanMessage(content=content_blocks(message))
    if isinstance(message, AIMessage):
        blocks = content_blocks(message)
        if message.tool_calls:
            calls = [{"name": c["name"], "arguments": c["args"]} for c in message.tool_calls]
            blocks.append({"type": "text", "text": f"```json\n{json.dumps(calls)}\n```"})
        return AIMessage(content=blocks)
    return message
