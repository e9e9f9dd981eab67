"""A server of the MCP tools with a scripted model, and the official client for it."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from mcp import Client

from foveate.agent.mcp.http import http_app
from foveate.agent.mcp.server import Service, make_server
from foveate.agent.models.profiles import profile_named
from foveate.agent.run import Agent

from ..agent.scripted import FakeGrounder, ScriptedModel, call

DEMO = Path(__file__).parents[2] / "pocket" / "demo"
NODULE = (134.0, 141.0, 150.0, 158.0)
T = TypeVar("T")


def service(*replies: Any, roots: tuple[Path, ...] = (DEMO,), **agent: Any) -> Service:
    """A service whose model says those replies and whose grounder knows one nodule."""
    model = ScriptedModel(replies=list(replies) or [call("answer", text="Nothing.", abstained=True)])
    return Service(
        lambda store: Agent(model, profile=profile_named("pocket"), grounder=None, store=store, **agent),
        FakeGrounder({"nodule": NODULE}),
        roots,
    )


def talk(made: Service, work: Callable[[Client], Awaitable[T]]) -> T:
    """What comes of the work with a client of the server in this process."""

    async def run() -> T:
        async with Client(make_server(made)) as client:
            return await work(client)

    return asyncio.run(run())


def said(result: Any) -> str:
    """The words of a result."""
    return "\n".join(part.text for part in result.content if part.type == "text")


def pictures(result: Any) -> list[bytes]:
    """The PNGs of a result."""
    return [base64.b64decode(part.data) for part in result.content if part.type == "image"]


@contextmanager
def over_http(made: Service, key: str | None = None) -> Iterator[str]:
    """The address of a real server on a free port."""
    app = http_app(make_server(made), "127.0.0.1", (), key)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive() and time.monotonic() < end, "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/mcp"
    finally:
        server.should_exit = True
        thread.join(30)
