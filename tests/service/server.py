"""A real uvicorn server in a thread of the tests, and a client for it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from langchain_core.language_models.chat_models import BaseChatModel

from foveate.agent.models.profiles import profile_named
from foveate.agent.run import Agent
from foveate.agent.service.app import create_app
from foveate.agent.service.settings import Bounds, Settings


@dataclass
class Client:
    """What a user of the API does."""

    http: httpx.Client
    base: str = ""
    data: Path = field(default_factory=Path)

    def session(self, *files: Path) -> str:
        made = self.http.post("/v1/sessions")
        assert made.status_code == 201, made.text
        session = str(made.json()["id"])
        for path in files:
            assert self.upload(session, path).status_code == 201
        return session

    def upload(self, session: str, *files: Path) -> httpx.Response:
        parts = [("files", (path.name, path.read_bytes())) for path in files]
        return self.http.post(f"/v1/sessions/{session}/images", files=parts)

    def ask(self, session: str, question: str, wait: float = 30, **more: Any) -> httpx.Response:
        body = {"question": question, **more}
        return self.http.post(f"/v1/sessions/{session}/turns", params={"wait": wait}, json=body)

    def stream(self, session: str, question: str) -> Iterator[tuple[int, str, Any]]:
        headers = {"accept": "text/event-stream"}
        at = f"/v1/sessions/{session}/turns"
        with self.http.stream("POST", at, json={"question": question}, headers=headers) as got:
            yield from events(got.iter_lines())

    def events(self, session: str, turn: int, after: int | None = None) -> list[tuple[int, str, Any]]:
        headers = {} if after is None else {"last-event-id": str(after)}
        with self.http.stream("GET", f"/v1/sessions/{session}/turns/{turn}/events", headers=headers) as got:
            return list(events(got.iter_lines()))


def events(lines: Iterator[str]) -> Iterator[tuple[int, str, Any]]:
    """(id, kind, data) of a stream of server-sent events."""
    told: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            told[name] = value
        elif "event" in told:
            yield int(told["id"]), told["event"], json.loads(told["data"])
            told = {}


@contextmanager
def serving(
    data: Path,
    model: BaseChatModel,
    *,
    key: str | None = None,
    profile: str = "pocket",
    agent: dict[str, Any] | None = None,
    bounds: Bounds | None = None,
    **settings: Any,
) -> Iterator[Client]:
    """A server on a free loopback port with an agent of that model."""
    chosen = Settings(data=data, bounds=bounds or Bounds(), **settings)
    options = {"grounder": None, **(agent or {})}
    app = create_app(
        chosen,
        lambda _, store, saver: Agent(
            model, profile=profile_named(profile), store=store, checkpointer=saver, **options
        ),
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive() and time.monotonic() < end, "the server did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    base = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=base, headers=headers, timeout=60) as http:
            yield Client(http, base, data)
    finally:
        server.should_exit = True
        thread.join(30)


def problem(response: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """Checks that a response is that problem document, and gives it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["type"] == f"urn:foveate:problem:{name}" and document["status"] == status
    assert document["title"] and document["detail"].endswith((".", "..."))
    return dict(document)
