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
        if refusal is not None:
            await refusal.response(scope["path"])(scope, receive, send)
            return
        gate = _Gate(scope, receive, send, limit)
        try:
            await self._app(scope, gate.receive, gate.send)
        except _TooLarge:
            await gate.refuse()

    def _limit(self, path: str) -> int:
        if _UPLOAD.match(path):
            return self._bounds.upload
        return self._bounds.chat_body if path == "/v1/chat/completions" else self._bounds.body


class _Gate:
    """Counts a body; once it is too large, whatever the app makes of the cut body becomes the refusal."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self._scope, self._receive, self._send, self._limit = scope, receive, send, limit
        self._left, self._started, self._refused = limit, False, False

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _TooLarge
        return message

    async def send(self, message: Message) -> None:
        if self._left < 0 and not self._started:
            await self.refuse()
        if not self._refused:
            self._started = True
            await self._send(message)

    async def refuse(self) -> None:
        if not (self._started or self._refused):
            self._refused = True
            response = Problem("too-large", _said(self._limit)).response(self._scope["path"])
            await response(self._scope, self._receive, self._send)


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
