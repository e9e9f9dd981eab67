"""A real vLLM behind the service: questions a second of `foveate serve` at 8 sessions beside those of the
bare server, given the very same requests at the same concurrency.

Each session has a part of a demonstration slice and one question: what a small model has learnt to answer,
and what costs the service most for each answer, since every image is looked over and shown for the first
time. A relay between the two keeps what Foveate asks, session by session; the bare arm sends it again through
the same relay. vLLM's caches of prefixes and images are off, or the second arm would be answered from them.
Arms take turns, for callers who wait for the whole answer and for callers who stream it. Knows the HTTP API
and OpenAI's protocol only.
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from foveate.agent.models.pocket import pocket_folder
from foveate.agent.models.vllm_server import free_port, serve, vllm_command
from foveate.evals.bench.kills import Process

SESSIONS, ROUNDS, TARGET, SECONDS = 8, 9, 0.9, 900.0
UNCACHED = ("--no-enable-prefix-caching", "--mm-processor-cache-gb", "0")
QUESTIONS = (
    "Is there a left kidney?",
    "Where is the spleen?",
    "Is the liver visible?",
    "Where is the aorta?",
)
EACH = len(QUESTIONS)


def throughput(folder: Path, more: list[str], python: Path) -> dict[str, Any]:
    """Medians over rounds, for each way of asking, of questions a second and of their ratio to bare ones."""
    port = free_port()
    command = [*vllm_command(python, pocket_folder(), "pocket", port, 4096, requests=SESSIONS), *UNCACHED]
    told: dict[str, Any] = {"sessions": SESSIONS, "questions": SESSIONS * EACH, "target": TARGET}
    with serve(command, port, folder / "vllm.log", SECONDS) as url, relay(url) as kept:
        options = ["--base-url", f"http://127.0.0.1:{kept.port}/v1", "--no-tools", *more]
        server = Process(folder / "data", "openai:pocket", options)
        server.start()
        rounds: dict[str, list[tuple[float, float, int]]] = {way: [] for way in WAYS}
        try:
            for number in range(ROUNDS + 1):  # the first warms all up
                for at, (way, ask) in enumerate(WAYS.items()):
                    pair = _round(server.base, kept, ask, number * len(WAYS) + at)
                    if number:
                        rounds[way].append(pair)
        finally:
            server.stop()
    told |= {way: _summary(pairs) for way, pairs in rounds.items()}
    return {**told, "good": all(told[way]["ratio"] >= TARGET for way in WAYS)}


def _round(base: str, kept: Kept, ask: Callable[..., None], number: int) -> tuple[float, float, int]:
    """Seconds served and bare, and how many requests that took."""
    kept.begin()
    asked = range(SESSIONS * EACH)
    sessions = [_session(base, number * len(asked) + n) for n in asked]
    turns = [f"/v1/sessions/{session}/turns" for session in sessions]
    served = _together([partial(ask, at=turns[n], question=QUESTIONS[n % EACH]) for n in asked], base)
    talks = [tuple(each) for each in kept.bodies.values()]
    bare = _together([partial(_again, bodies=talk) for talk in talks], f"http://127.0.0.1:{kept.port}")
    return served, bare, sum(len(each) for each in talks)


def _summary(pairs: list[tuple[float, float, int]]) -> dict[str, Any]:
    ratios = [bare / served for served, bare, _ in pairs]
    return {
        "model_calls": [calls for _, _, calls in pairs],
        "served_per_second": round(SESSIONS * EACH / median(served for served, _, _ in pairs), 2),
        "bare_per_second": round(SESSIONS * EACH / median(bare for _, bare, _ in pairs), 2),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "ratio": round(median(ratios), 3),
    }


def _together(jobs: Sequence[Callable[[httpx.Client], None]], base: str) -> float:
    """Seconds until so many clients as there are sessions, each with a connection of its own, are through."""

    def client(number: int) -> None:
        with httpx.Client(base_url=base, timeout=600) as http:
            for job in jobs[number::SESSIONS]:
                job(http)

    begin = time.perf_counter()
    with ThreadPoolExecutor(SESSIONS) as pool:
        list(pool.map(client, range(SESSIONS)))
    return time.perf_counter() - begin


def _session(base: str, seed: int) -> str:
    """A session with a picture of its own."""
    with httpx.Client(base_url=base, timeout=60) as http:
        session = str(http.post("/v1/sessions").json()["id"])
        files = {"files": ("picture.png", _picture(seed), "image/png")}
        http.post(f"/v1/sessions/{session}/images", files=files).raise_for_status()
    return session


def _wait(http: httpx.Client, at: str, question: str) -> None:
    told = http.post(at, params={"wait": 300}, json={"question": question})
    if told.status_code != 200:
        raise RuntimeError(f"a question was not answered: {told.status_code} {told.text[:200]}")


def _stream(http: httpx.Client, at: str, question: str) -> None:
    head = {"accept": "text/event-stream"}
    with http.stream("POST", at, json={"question": question}, headers=head) as got:
        kinds = [line.removeprefix("event: ") for line in got.iter_lines() if line.startswith("event: ")]
    if "answer" not in kinds:
        raise RuntimeError(f"a question was not answered: {kinds[-1:]}")


WAYS = {"waited": _wait, "streamed": _stream}


def _again(http: httpx.Client, bodies: tuple[bytes, ...]) -> None:
    """A session's requests, one after the other, to the bare server."""
    for body in bodies:
        head = {"content-type": "application/json"}
        http.post("/v1/chat/completions", content=body, headers=head).raise_for_status()


def _picture(seed: int) -> bytes:
    """A part of a demonstration slice, another one for each of 400 numbers that follow each other."""
    from foveate.tools.imaging.open import open_image
    from foveate.tools.imaging.views import overview, render

    image = open_image(pocket_folder().parent.parent / "demo" / "abdomen_kidneys.nii.gz")
    slice_ = render(overview(image, 512), image)
    left, top = seed % 20, seed % 400 // 20
    file = io.BytesIO()
    slice_.crop((left, top, left + slice_.width - 20, top + slice_.height - 21)).save(file, "PNG")
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
