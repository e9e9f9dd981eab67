"""A real vLLM behind the service: questions a second of `foveate serve` at 8 sessions beside those of the
bare server, given the very same requests at the same concurrency.

A relay between the two keeps what Foveate asks, session by session; the bare arm sends it again through the
same relay. vLLM's caches of prefixes and images are off, or the second arm would be answered from them. Arms
take turns. Knows the HTTP API and OpenAI's protocol only.
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np

from foveate.agent.models.pocket import pocket_folder
from foveate.agent.models.vllm_server import free_port, serve, vllm_command
from foveate.evals.bench.kills import Process

SESSIONS, TURNS, ROUNDS, TARGET, SECONDS = 8, 3, 3, 0.9, 900.0
UNCACHED = ("--no-enable-prefix-caching", "--mm-processor-cache-gb", "0")
QUESTIONS = ("Is there a nodule?", "Which organ is the brightest?", "On which side is the liver?")


def throughput(folder: Path, more: list[str], python: Path) -> dict[str, Any]:
    """Median over rounds of questions a second, both ways, and of their ratio."""
    port = free_port()
    command = [*vllm_command(python, pocket_folder(), "pocket", port, 4096, requests=SESSIONS), *UNCACHED]
    pairs, requests = [], 0
    with serve(command, port, folder / "vllm.log", SECONDS) as url, relay(url) as kept:
        options = ["--base-url", f"http://127.0.0.1:{kept.port}/v1", "--no-tools", *more]
        server = Process(folder / "data", "openai:pocket", options)
        server.start()
        try:
            for number in range(ROUNDS + 1):  # the first warms both up
                kept.begin()
                sessions = [_session(server.base, number * SESSIONS + n) for n in range(SESSIONS)]
                served = _together(lambda n, all_=sessions: _ask(server.base, all_[n]))
                requests = sum(len(each) for each in kept.bodies.values())
                talks = [tuple(each) for each in kept.bodies.values()]
                bare = _together(lambda n, all_=talks: _again(kept.port, all_[n % len(all_)]))
                pairs.append((served, bare))
        finally:
            server.stop()
    asked = SESSIONS * TURNS
    ratio = median(bare / served for served, bare in pairs[1:])
    return {
        "sessions": SESSIONS,
        "questions": asked,
        "model_calls": requests,
        "served_per_second": round(asked / median(served for served, _ in pairs[1:]), 2),
        "bare_per_second": round(asked / median(bare for _, bare in pairs[1:]), 2),
        "ratios": [round(bare / served, 3) for served, bare in pairs[1:]],
        "ratio": round(ratio, 3),
        "target": TARGET,
        "good": ratio >= TARGET,
    }


def _together(work: Any) -> float:
    """Seconds until all sessions are through."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(SESSIONS) as pool:
        list(pool.map(work, range(SESSIONS)))
    return time.perf_counter() - begin


def _session(base: str, seed: int) -> str:
    """A session with a picture of its own."""
    with httpx.Client(base_url=base, timeout=60) as http:
        session = str(http.post("/v1/sessions").json()["id"])
        files = {"files": ("picture.png", _picture(seed), "image/png")}
        http.post(f"/v1/sessions/{session}/images", files=files).raise_for_status()
    return session


def _ask(base: str, session: str) -> None:
    with httpx.Client(base_url=base, timeout=600) as http:
        for question in QUESTIONS[:TURNS]:
            at = f"/v1/sessions/{session}/turns"
            told = http.post(at, params={"wait": 300}, json={"question": question})
            if told.status_code != 200:
                raise RuntimeError(f"a question was not answered: {told.status_code} {told.text[:200]}")


def _again(port: int, bodies: tuple[bytes, ...]) -> None:
    """A session's requests, one after the other, to the bare server."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600) as http:
        for body in bodies:
            head = {"content-type": "application/json"}
            http.post("/v1/chat/completions", content=body, headers=head).raise_for_status()


def _picture(seed: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    grey = np.random.default_rng(seed).integers(0, 255, (16, 16), dtype=np.uint8)
    Image.fromarray(grey).resize((256, 256)).save(file, "PNG")
    return file.getvalue()


class Kept:
    """What passed the relay since `begin`: the bodies of chat requests by the image that they carry."""

    def __init__(self, port: int) -> None:
        self.port, self.bodies = port, dict[str, list[bytes]]()
        self._lock = threading.Lock()

    def begin(self) -> None:
        with self._lock:
            self.bodies = {}

    def add(self, body: bytes) -> None:
        with self._lock:
            self.bodies.setdefault(_image_of(json.loads(body)), []).append(body)


def _image_of(body: dict[str, Any]) -> str:
    """The first image of a request: each session has its own."""
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else []:
            if block.get("type") == "image_url":
                return str(block["image_url"]["url"])
    raise ValueError("a request without an image came by")


@contextmanager
def relay(upstream: str) -> Iterator[Kept]:
    """A server on loopback that hands requests on to `upstream`, "http://…/v1", as they stream."""
    kept = Kept(0)
    client = httpx.Client(timeout=600, limits=httpx.Limits(max_connections=4 * SESSIONS))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path.endswith("/chat/completions"):
                kept.add(body)
            self._pass_on("POST", body)

        def do_GET(self) -> None:
            self._pass_on("GET", None)

        def _pass_on(self, method: str, body: bytes | None) -> None:
            at, head = upstream.removesuffix("/v1") + self.path, {"content-type": "application/json"}
            with client.stream(method, at, content=body, headers=head) as got:
                self.send_response(got.status_code)
                self.send_header("content-type", got.headers.get("content-type", "application/json"))
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for part in got.iter_raw():
                    self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            """A relay has nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        client.close()
