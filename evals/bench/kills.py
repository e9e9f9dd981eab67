"""Kill a server at random moments while it is being asked, start it again, and look for what it promised.

A turn is acknowledged once its caller has an HTTP status for it. After every kill each acknowledged turn must
be there, an answered one with its answer, and no turn may stay open. Knows the HTTP API only.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

START_SECONDS = 120.0
SETTLE_SECONDS = 60.0


@dataclass
class Process:
    """`foveate serve` in a process of its own."""

    data: Path
    model: str
    more: Sequence[str] = ()
    child: subprocess.Popen[str] | None = None
    base: str = ""

    def start(self) -> None:
        command = [sys.executable, "-m", "foveate.agent.cli", "serve", "--port", "0", "--grounder", "none"]
        command += ["--data", str(self.data), "--model", self.model, *self.more]
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self.child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
        assert self.child.stderr is not None
        lines = []
        for line in self.child.stderr:
            lines.append(line)
            if "serving at " in line:
                self.base = line.split("serving at ")[1].strip()
                threading.Thread(target=self.child.stderr.read, daemon=True).start()
                return
        raise RuntimeError(f"the server did not start: {''.join(lines)[-2000:]}")

    def kill(self) -> None:
        """SIGKILL: no handler runs."""
        assert self.child is not None
        self.child.send_signal(signal.SIGKILL)
        self.child.wait(30)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        assert self.child is not None
        self.child.terminate()
        self.child.wait(60)


@dataclass
class Promises:
    """What callers were told: (session, turn) to the answer, or None for a turn only accepted; their
    sessions, by caller, with which they go on after a restart; and what was promised since the last start."""

    told: dict[tuple[str, int], str | None] = field(default_factory=dict)
    sessions: dict[int, str] = field(default_factory=dict)
    fresh: set[tuple[str, int]] = field(default_factory=set)
    under_way: threading.Event = field(default_factory=threading.Event)


@dataclass
class Report:
    """Counts over all kills; a good server has zeros in `lost`, `open` and `leftovers`."""

    kills: int = 0
    acknowledged: int = 0
    answered: int = 0
    lost: int = 0
    open: int = 0
    interrupted: int = 0
    leftovers: int = 0

    @property
    def good(self) -> bool:
        return not (self.lost or self.open or self.leftovers)


def write_script(path: Path, turns: int) -> None:
    """A trace whose every question takes a look, a measure and an answer that cites its box."""
    calls: list[tuple[str, dict[str, Any]]] = []
    for number in range(turns):
        calls.append(("zoom", {"box": [5 + number % 50, 5, 100 + number % 90, 60]}))
        claim = {"text": f"spot {number}", "box": [10, 10, 60, 40], "view": "V0"}
        calls.append(("answer", {"text": f"Answer {number}.", "claims": [claim]}))
    replies = [{"content": "", "tool_calls": [_call(i, *call)]} for i, call in enumerate(calls)]
    path.write_text(json.dumps({"replies": replies}))


def _call(number: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "args": arguments, "id": f"call{number:05d}", "type": "tool_call"}


def picture(gray: int = 90) -> bytes:
    """A PNG of one gray with a white square: one of one gray alone would not be asked about."""
    from PIL import Image

    buffer = io.BytesIO()
    made = Image.new("L", (224, 112), gray)
    made.paste(255, (4, 4, 24, 24))
    made.save(buffer, "PNG")
    return buffer.getvalue()


def run_kills(folder: Path, kills: int, seed: int = 0, more: Sequence[str] = (), askers: int = 4) -> Report:
    """Asks from several threads and kills after a random while, again and again, on one data folder."""
    folder.mkdir(parents=True, exist_ok=True)
    script, rng = folder / "script.json", random.Random(seed)
    write_script(script, 4000)
    server, promises, report = Process(folder / "data", f"scripted:{script}", more), Promises(), Report()
    for _ in range(kills):
        server.start()
        _check(server.base, promises, promises.fresh, report)
        promises.fresh = set()
        stop = threading.Event()
        promises.under_way.clear()
        threads = [
            threading.Thread(target=_ask, args=(server.base, promises, stop, i, rng.random()))
            for i in range(askers)
        ]
        for thread in threads:
            thread.start()
        promises.under_way.wait(START_SECONDS)
        time.sleep(rng.uniform(0.0, 1.5))
        server.kill()
        stop.set()
        for thread in threads:
            thread.join()
        report.kills += 1
    server.start()
    _check(server.base, promises, set(promises.told), report)
    _delete_all(server.base, report, folder / "data" / "images")
    server.stop()
    report.acknowledged = len(promises.told)
    report.answered = sum(answer is not None for answer in promises.told.values())
    return report


def _ask(base: str, promises: Promises, stop: threading.Event, caller: int, seed: float) -> None:
    """One caller: question after question in its session, sometimes in a new one, some answers waited for."""
    rng = random.Random(seed)
    with httpx.Client(base_url=base, timeout=30) as http:
        while not stop.is_set():
            try:
                if caller not in promises.sessions or rng.random() < 0.1:
                    session = http.post("/v1/sessions").json()["id"]
                    sent = {"files": picture(rng.randrange(256))}
                    http.post(f"/v1/sessions/{session}/images", files=sent).raise_for_status()
                    promises.sessions[caller] = session
                _one(http, promises, promises.sessions[caller], rng.choice([0, 30]))
            except (httpx.HTTPError, ValueError, KeyError):
                time.sleep(0.02)  # the server is gone, as it should be


def _one(http: httpx.Client, promises: Promises, session: str, wait: int) -> None:
    at = f"/v1/sessions/{session}/turns"
    got = http.post(at, params={"wait": wait}, json={"question": "Is there a spot?"})
    if got.status_code in (200, 202):
        turn = got.json()
        answer = turn["result"]["answer"] if turn["result"] else None
        promises.told[(session, turn["turn"])] = answer
        promises.fresh.add((session, turn["turn"]))
        promises.under_way.set()


def _check(base: str, promises: Promises, asked: set[tuple[str, int]], report: Report) -> None:
    """Compares promises with what the restarted server has."""
    with httpx.Client(base_url=base, timeout=30) as http:
        for session, number in sorted(asked):
            answer, turn = promises.told[(session, number)], _settled(http, session, number)
            if turn is None:
                report.lost += 1
                continue
            report.open += turn["status"] == "running"
            report.interrupted += turn["status"] == "interrupted"
            if answer is not None and (turn["result"] or {}).get("answer") != answer:
                report.lost += 1
            promises.told[(session, number)] = (turn["result"] or {}).get("answer")


def patient(http: httpx.Client, method: str, path: str, **request: Any) -> httpx.Response:
    """Waits where the server says that it was asked too often: that is no loss."""
    while True:
        got = http.request(method, path, **request)
        if got.status_code != 429:
            return got
        time.sleep(float(got.headers.get("Retry-After", 1)))


def _settled(http: httpx.Client, session: str, number: int) -> dict[str, Any] | None:
    end = time.monotonic() + SETTLE_SECONDS
    while True:
        got = patient(http, "GET", f"/v1/sessions/{session}/turns/{number}")
        if got.status_code != 200:
            return None
        turn: dict[str, Any] = got.json()
        if turn["status"] != "running" or time.monotonic() > end:
            return turn
        time.sleep(0.1)


def _delete_all(base: str, report: Report, images: Path) -> None:
    """After deleting every session nothing may be left in the store."""
    with httpx.Client(base_url=base, timeout=60) as http:
        while sessions := patient(http, "GET", "/v1/sessions?limit=200").json()["sessions"]:
            for session in sessions:
                patient(http, "DELETE", f"/v1/sessions/{session['id']}").raise_for_status()
    report.leftovers = len(list(images.iterdir()))
