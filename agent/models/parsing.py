"""Reads a model's reply: tool calls, a final answer, or the reason why it is neither.

Accepts native tool calls, Hermes `<tool_call>` blocks and one fenced JSON block of calls. Strict: what does
not parse is an error with a reason, which the graph turns into a repair turn. Never raises for any reply.
Knows no tool: whether a name or an argument is legal is the toolbox's business.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage

from foveate.agent.models.boxtext import BoxTextError
from foveate.agent.models.profile import Profile

ANSWER = "answer"
MAX_REPLY_CHARS = 100_000
MAX_CALLS = 16
_THINK = re.compile(r"<think>.*?</think>", re.DOTALL)
_BLOCK = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_FENCE = re.compile(r"```(?:json|tool_call)?[ \t]*\r?\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class ParsedCall:
    """One tool call: `arguments` is a JSON object; `id` pairs it with its result."""

    name: str
    arguments: dict[str, Any]
    id: str


@dataclass(frozen=True)
class ParsedReply:
    """Exactly one of: tool_calls (one or more), answer (arguments of the answer call), error (a reason)."""

    tool_calls: tuple[ParsedCall, ...] = ()
    answer: dict[str, Any] | None = None
    error: str | None = None
    text: str = field(default="", compare=False)  # prose beside the calls


class _Unparsable(Exception):
    pass


def parse_reply(message: AIMessage, profile: Profile) -> ParsedReply:
    """Read one reply in the formats the profile allows. Never raises."""
    text = message_text(message)
    try:
        if profile.tool_calls == "none":
            return _plain_answer(text, profile)
        return _sort_calls(_calls_of(message, text), _prose(text))
    except _Unparsable as problem:
        return ParsedReply(error=str(problem), text=text[:MAX_REPLY_CHARS])
    except RecursionError:
        return ParsedReply(error="the JSON is nested too deeply", text="")


def message_text(message: AIMessage) -> str:
    """The text of a message, whatever shape its content has."""
    content: Any = message.content
    if isinstance(content, str):
        return content
    parts = []
    for block in content if isinstance(content, list) else []:
        if isinstance(block, str):
            parts.append(block)
        elif isinstance(block, Mapping) and isinstance(block.get("text"), str):
            parts.append(block["text"])
    return "".join(parts)


def calls_in_text(text: str) -> tuple[tuple[ParsedCall, ...], str | None]:
    """(calls, reason why not) for the text of a reply; one of the two is empty."""
    try:
        return _calls_in_text(text), None
    except _Unparsable as problem:
        return (), str(problem)
    except RecursionError:
        return (), "the JSON is nested too deeply"


def _calls_of(message: AIMessage, text: str) -> tuple[ParsedCall, ...]:
    if message.invalid_tool_calls:
        bad = message.invalid_tool_calls[0]
        raise _Unparsable(f"the arguments of the call to {_quote(bad.get('name'))} are not a JSON object")
    if message.tool_calls:
        return tuple(
            _call({"name": call["name"], "arguments": call["args"]}, call.get("id") or f"call_{index}")
            for index, call in enumerate(message.tool_calls)
        )
    return _calls_in_text(text)


def _calls_in_text(text: str) -> tuple[ParsedCall, ...]:
    if len(text) > MAX_REPLY_CHARS:
        raise _Unparsable(f"the reply is longer than {MAX_REPLY_CHARS} characters")
    body = _THINK.sub("", text)
    if not body.strip():
        raise _Unparsable("the reply is empty")
    blocks = _BLOCK.findall(body)
    if body.count("<tool_call>") != len(blocks):
        raise _Unparsable("a <tool_call> is not closed by </tool_call>")
    if not blocks:
        blocks = [block for block in _FENCE.findall(body) if block.lstrip()[:1] in ("{", "[")]
    if not blocks:
        bare = body.strip()
        if bare[0] not in "{[":
            raise _Unparsable("the reply has no tool call: call a tool, or call answer")
        blocks = [bare]
    items = [item for block in blocks for item in _items(block)]
    if not items:
        raise _Unparsable("the list of tool calls is empty")
    return tuple(_call(item, f"call_{index}") for index, item in enumerate(items))


def _items(block: str) -> list[Any]:
    try:
        loaded = json.loads(block, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise _Unparsable(f"the tool call is not valid JSON: {error.msg} at character {error.pos}") from None
    except ValueError as error:
        raise _Unparsable(f"the tool call is not valid JSON: {error}") from None
    return loaded if isinstance(loaded, list) else [loaded]


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _call(item: Any, call_id: str) -> ParsedCall:
    if not isinstance(item, dict):
        raise _Unparsable('a tool call must be an object {"name": …, "arguments": {…}}')
    name, arguments = item.get("name"), item.get("arguments")
    if not isinstance(name, str) or not name:
        raise _Unparsable('a tool call needs a "name"')
    if isinstance(arguments, str):
        arguments = _arguments_from_text(name, arguments)
    if not isinstance(arguments, dict):
        raise _Unparsable(f'the call to {_quote(name)} needs "arguments", a JSON object')
    return ParsedCall(name, arguments, call_id)


def _arguments_from_text(name: str, text: str) -> Any:
    """OpenAI-style: the arguments as a JSON text."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        raise _Unparsable(f"the arguments of the call to {_quote(name)} are not a JSON object") from None


def _sort_calls(calls: tuple[ParsedCall, ...], prose: str) -> ParsedReply:
    if len(calls) > MAX_CALLS:
        raise _Unparsable(f"{len(calls)} tool calls in one reply; at most {MAX_CALLS} are allowed")
    answers = [call for call in calls if call.name == ANSWER]
    if not answers:
        return ParsedReply(tool_calls=calls, text=prose)
    if len(calls) > 1:
        raise _Unparsable("answer must be the only call of a reply: use the tools first, then answer")
    return ParsedReply(answer=answers[0].arguments, text=prose)


def _plain_answer(text: str, profile: Profile) -> ParsedReply:
    """A family that cannot call tools answers in prose, with boxes in its own text form."""
    if not text.strip():
        raise _Unparsable("the reply is empty")
    try:
        boxes = profile.parse_boxes(text)
    except BoxTextError as error:
        raise _Unparsable(str(error)) from None
    claims = [{"text": box.label, "box": list(box.numbers)} for box in boxes]
    return ParsedReply(answer={"text": text.strip(), "claims": claims}, text=text)


def _prose(text: str) -> str:
    return _FENCE.sub("", _BLOCK.sub("", _THINK.sub("", text))).strip()


def _quote(name: Any) -> str:
    return repr(str(name)[:60])
