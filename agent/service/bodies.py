"""Limits of request bodies, and of their types, before anything reads them. Knows paths and bytes only."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foveate.agent.service.problems import Problem
from foveate.agent.service.settings import Bounds

_UPLOAD = re.compile(r"^/v1/sessions/[^/]+/images$")


class _TooLarge(Exception):
    pass


class BodyLimits:
    """Middleware: counts what really arrives, whatever the Content-Length says."""

    def __init__(self, app: ASGIApp, bounds: Bounds) -> None:
        self._app, self._bounds = app, bounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit(scope["path"])
        refusal = _refused(scope, limit)
        started = False

        async def counted() -> Message:
            nonlocal limit
            message = await receive()
            limit -= len(message.get("body", b""))
            if limit < 0:
                raise Problem("too-large", _said(self._limit(scope["path"])))
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        if refusal is None:
            try:
                await self._app(scope, counted, noted)
                return
            except Problem as problem:
                if started:
                    raise
                refusal = problem
        await refusal.response(scope["path"])(scope, receive, send)

    def _limit(self, path: str) -> int:
        if _UPLOAD.match(path):
            return self._bounds.upload
        return self._bounds.chat_body if path == "/v1/chat/completions" else self._bounds.body


def _refused(scope: Scope, limit: int) -> Problem | None:
    headers = {name.lower(): value for name, value in scope["headers"]}
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > limit:
        return Problem("too-large", _said(limit))
    if scope["method"] != "POST":
        return None
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    wanted = b"multipart/form-data" if _UPLOAD.match(scope["path"]) else b"application/json"
    if kind == wanted or (not kind and length == b"0" and b"transfer-encoding" not in headers):
        return None
    return Problem("wrong-type", f"Send the body as {wanted.decode()}.")


def _said(limit: int) -> str:
    return f"At most {limit} bytes are taken here; send less."
