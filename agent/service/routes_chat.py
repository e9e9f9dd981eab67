"""OpenAI's chat protocol: /v1/chat/completions and /v1/models, streaming or not.

The answer's text streams as it is written; steps stream as `reasoning_content`; the last chunk, or the whole
completion, has `foveate` with the evidence. Knows the wire format; `chat.py` knows what a chat means.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from foveate.agent.service import chat as chats
from foveate.agent.service import streams
from foveate.agent.service.caller import Caller, TheCore
from foveate.agent.service.chat_schemas import ChatOut, ChatRequest, ModelOut, ModelsOut
from foveate.agent.service.core import Core
from foveate.agent.service.live import Live
from foveate.agent.service.problems import Problem
from foveate.agent.service.routes import PROBLEMS, model_problem

router = APIRouter(prefix="/v1", responses=PROBLEMS, tags=["openai"])
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
}
LOOK = 0.5  # seconds between looks whether a waiting client is still there


@router.get("/models", response_model=ModelsOut)
async def models(owner: Caller, core: TheCore) -> dict[str, Any]:
    """The one model of this server."""
    return {"object": "list", "data": [_model()]}


@router.get("/models/{model}", response_model=ModelOut)
async def model(model: str, owner: Caller, core: TheCore) -> dict[str, Any]:
    """A model by name."""
    if model != chats.MODEL:
        raise Problem("not-found", f"There is no model of that name; the model is {chats.MODEL}.")
    return _model()


@router.post("/chat/completions", response_model=ChatOut, responses=STREAM)
async def completions(chat: ChatRequest, request: Request, owner: Caller, core: TheCore) -> Any:
    """Answers the chat's last message. Images are data URLs in user messages; `stream` as OpenAI has it."""
    live = await chats.asked(core, owner, chat)
    reply = _Reply(core, owner, chat, live)
    if chat.stream:
        chunks = streams.patient(reply.chunks(), LOOK, request.is_disconnected)
        return StreamingResponse(chunks, media_type="text/event-stream", headers=streams.HEADERS)
    assert live.task is not None
    while not (await asyncio.wait([live.task], timeout=LOOK))[0]:
        if await request.is_disconnected():
            await reply.dropped()
            return Response(status_code=499)
    return await reply.whole()


def _model() -> dict[str, Any]:
    return {"id": chats.MODEL, "object": "model", "created": 0, "owned_by": "foveate"}


class _Reply:
    """One completion that is being made."""

    def __init__(self, core: Core, owner: str, chat: ChatRequest, live: Live) -> None:
        self._core, self._owner, self._chat, self._live = core, owner, chat, live
        self._head = {
            "id": f"chatcmpl-{live.session}-{live.number}",
            "created": int(time.time()),
            "model": chat.model,
        }
        self._text = ""

    async def whole(self) -> dict[str, Any]:
        """The completion after the turn's end. Raises Problem for a turn without an answer."""
        result = await self._result()
        self._text = chats.readable(result)
        await chats.note(self._core, self._owner, self._chat, self._live, self._text)
        message = {"role": "assistant", "content": self._text, "refusal": None}
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
            "usage": await self._usage(result),
            "foveate": chats.extra(self._live, result),
        }

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The completion as server-sent chunks; the turn is cancelled when the client goes away."""
        try:
            yield self._chunk({"role": "assistant", "content": ""})
            async for event in streams.told(self._core, self._live.session, self._live.number, 0):
                for delta in self._deltas(event.kind, json.loads(event.data)):
                    yield self._chunk(delta)
            async for chunk in self._ending():
                yield chunk
        finally:
            await self.dropped()

    async def dropped(self) -> None:
        """Nobody can come back for this turn: it ends, if it has not."""
        if self._core.turns.live(self._live.session, self._live.number) is not None:
            with contextlib.suppress(Problem):
                await self._core.turns.cancel(self._live.session, self._live.number)

    def _deltas(self, kind: str, data: dict[str, Any]) -> list[dict[str, str]]:
        if kind == "token" and data["channel"] == "answer":
            self._text += data["delta"]
            return [{"content": data["delta"]}]
        if kind == "step" and data["tool"] != "answer":
            told = data.get("observation") or data.get("error") or ""
            return [{"reasoning_content": f"{data['tool']}: {told}\n"}]
        return []

    async def _ending(self) -> AsyncIterator[bytes]:
        try:
            result = await self._result()
        except Problem as problem:
            error = {"message": problem.detail, "type": problem.name, "code": problem.name, "param": None}
            yield _data({"error": error})
            yield b"data: [DONE]\n\n"
            return
        rest = self._rest(chats.readable(result))
        self._text += rest
        await chats.note(self._core, self._owner, self._chat, self._live, self._text)
        if rest:
            yield self._chunk({"content": rest})
        yield self._chunk({}, "stop", foveate=chats.extra(self._live, result))
        if self._chat.stream_options and self._chat.stream_options.include_usage:
            chunk = {**self._head, "object": "chat.completion.chunk", "choices": []}
            yield _data({**chunk, "usage": await self._usage(result)})
        yield b"data: [DONE]\n\n"

    def _rest(self, whole: str) -> str:
        """What is still to be said; all of it when an answer that had streamed did not stand."""
        return whole[len(self._text) :] if whole.startswith(self._text) else f"\n\n{whole}"

    def _chunk(self, delta: dict[str, str], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return _data({**self._head, "object": "chat.completion.chunk", "choices": [choice], **more})

    async def _result(self) -> dict[str, Any]:
        row = await self._core.ledger.turn(self._live.session, self._live.number)
        if row is None or row["status"] != "done":
            raise model_problem(row)
        result: dict[str, Any] = row["result"]
        return result

    async def _usage(self, result: dict[str, Any]) -> dict[str, int]:
        """This turn's tokens; a result counts the conversation's."""
        before = [row["result"] for row in await self._core.ledger.turns(self._live.session) if row["result"]]
        past = before[-2]["usage"] if len(before) > 1 else {"input_tokens": 0, "output_tokens": 0}
        spent = [result["usage"][key] - past[key] for key in ("input_tokens", "output_tokens")]
        return {"prompt_tokens": spent[0], "completion_tokens": spent[1], "total_tokens": sum(spent)}


def _data(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
