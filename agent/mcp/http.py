"""MCP over streamable HTTP: this machine only, unless the operator sets a key.

Knows ASGI and the SDK's app; knows no tool.
"""

from __future__ import annotations

import hmac
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

MAX_BODY = 96 * 2**20
"""Bytes of one request: an image of 64 MiB as base64, and some words."""


class Keyed:
    """Middleware: HTTP requests need `Authorization: Bearer KEY`."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app, self._wanted = app, f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", [])).get(b"authorization", b"")
        if scope["type"] != "http" or hmac.compare_digest(given, self._wanted):
            await self._app(scope, receive, send)
            return
        body = {"error": "Send the key of this server: Authorization: Bearer ..."}
        refusal = JSONResponse(body, 401, {"WWW-Authenticate": "Bearer"})
        await refusal(scope, receive, send)


def http_app(server: Server[dict[str, Any]], host: str, hosts: tuple[str, ...], key: str | None) -> ASGIApp:
    """The app at /mcp. `hosts` are names, besides loopback, that clients may call the server by."""
    names = ("127.0.0.1", "localhost", "[::1]", host, *hosts)
    places = [place for name in names for place in (name, f"{name}:*")]
    allowed = TransportSecuritySettings(
        allowed_hosts=places,
        allowed_origins=[f"{scheme}://{p}" for p in places for scheme in ("http", "https")],
    )
    app = server.streamable_http_app(max_request_body_size=MAX_BODY, transport_security=allowed)
    return Keyed(app, key) if key else app
