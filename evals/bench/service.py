"""What the HTTP service costs and survives: `python -m foveate.evals.bench.service [PART…]`.

Parts: overhead, load, memory, kills, vllm (with --vllm PYTHON of an environment that has it).

Starts `foveate serve` on a scripted model in a process of its own and talks to it as a client. Prints each
figure beside its target; exit code 1 when one is missed. Timings mean something on an idle machine only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from foveate.evals.bench.kills import Process, patient, picture, run_kills, write_script
from foveate.evals.bench.service_vllm import throughput

TARGET_MS, TARGET_GROWTH_MIB, SESSIONS = 50.0, 16.0, 32


def main() -> int:
    """Runs the chosen parts and prints one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["overhead", "load", "memory"], metavar="PART")
    parser.add_argument("--turns", type=int, default=1000, help="turns of the memory part")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--database", help="a PostgreSQL, instead of SQLite")
    parser.add_argument("--vllm", type=Path, help="the Python of an environment that has vLLM")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    more = ["--database", given.database] if given.database else []
    parts = {
        "overhead": lambda at: overhead(at, more),
        "load": lambda at: load(at, more),
        "memory": lambda at: memory(at, more, given.turns),
        "kills": lambda at: kills(at, more, given.kills),
        "vllm": lambda at: throughput(at, more, given.vllm),
    }
    if "vllm" in given.parts and given.vllm is None:
        parser.error("the part vllm needs --vllm PYTHON, of an environment that has vLLM")
    told: dict[str, Any] = {}
    for name in given.parts:
        with tempfile.TemporaryDirectory() as folder:
            told[name] = parts[name](Path(folder))
            print(f"{name}: {json.dumps(told[name])}", file=sys.stderr)
    print(json.dumps(told, indent=2))
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "service.json").write_text(json.dumps(told, indent=2) + "\n")
    return 0 if all(part["good"] for part in told.values()) else 1


def overhead(folder: Path, more: list[str], turns: int = 60) -> dict[str, Any]:
    """Milliseconds of a turn over HTTP beyond those of the same script through `Agent` in one process."""
    with _Served(folder, more) as server:
        http, session = server.http, _session(server.base)
        over = [_timed(lambda: _ask(http, session)) for _ in range(turns)]
        sessions = [_session(server.base) for _ in range(turns)]
        fresh = [_timed(partial(_ask, http, at)) for at in sessions]
    alone = _alone(folder / "script.json", turns)
    extra = [1000 * (one - statistics.median(alone)) for one in fresh]
    p95 = _p95(extra)
    return {
        "turns": turns,
        "p50_ms": round(statistics.median(extra), 1),
        "p95_ms": round(p95, 1),
        "agent_alone_ms": round(1000 * statistics.median(alone), 1),
        "long_session_p95_ms": round(1000 * _p95(over), 1),
        "target_p95_ms": TARGET_MS,
        "good": p95 <= TARGET_MS,
    }


def load(folder: Path, more: list[str], turns: int = 3) -> dict[str, Any]:
    """32 sessions at once: every answer is its session's own, every event is there, once."""
    with _Served(folder, more) as server, ThreadPoolExecutor(SESSIONS) as pool:
        begin = time.perf_counter()
        told = list(pool.map(lambda _: _streamed(server.base, turns), range(SESSIONS)))
        seconds = time.perf_counter() - begin
    wrong, lost = (sum(column) for column in zip(*told, strict=True))
    return {
        "sessions": SESSIONS,
        "turns": SESSIONS * turns,
        "wrong_answers": wrong,
        "lost_events": lost,
        "turns_per_second": round(SESSIONS * turns / seconds, 1),
        "good": not (wrong or lost),
    }


def memory(folder: Path, more: list[str], turns: int) -> dict[str, Any]:
    """Growth of the server's memory over many turns, sessions of ten, after the first tenth."""
    with _Served(folder, more) as server:
        marks = []
        for number in range(turns):
            if number % 10 == 0:
                session = _session(server.base)
            _ask(server.http, session)
            if number % max(1, turns // 20) == 0:
                marks.append(_resident(server.process))
        marks.append(_resident(server.process))
    growth = marks[-1] - marks[len(marks) // 10 or 1]
    return {
        "turns": turns,
        "resident_mib": marks,
        "growth_mib": round(growth, 1),
        "target_mib": TARGET_GROWTH_MIB,
        "good": growth <= TARGET_GROWTH_MIB,
    }


def kills(folder: Path, more: list[str], count: int) -> dict[str, Any]:
    """SIGKILLs at random moments; what was acknowledged must be there."""
    report = run_kills(folder, count, seed=1, more=more)
    return {**asdict(report), "good": report.good}


class _Served:
    """A server on a script, for a while."""

    def __init__(self, folder: Path, more: list[str]) -> None:
        write_script(folder / "script.json", 200)
        self.process = Process(folder / "data", f"scripted:{folder / 'script.json'}", more)

    def __enter__(self) -> _Served:
        self.process.start()
        self.base = self.process.base
        # one connection, as a program keeps it: a new client reads its certificates for 20 ms and more
        self.http = httpx.Client(base_url=self.base, timeout=90)
        _ask(self.http, _session(self.base))  # imports and the decoder's start are no turn's cost
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.process.stop()


def _session(base: str) -> str:
    with httpx.Client(base_url=base, timeout=60) as http:
        session = str(patient(http, "POST", "/v1/sessions").json()["id"])
        at = f"/v1/sessions/{session}/images"
        patient(http, "POST", at, files={"files": picture()}).raise_for_status()
    return session


def _ask(http: httpx.Client, session: str) -> None:
    """An answered turn; waits where the server says that it was asked too often, as only `memory` does."""
    at = f"/v1/sessions/{session}/turns"
    got = patient(http, "POST", at, params={"wait": 60}, json={"question": "Is there a spot?"})
    assert got.status_code == 200, got.text


def _streamed(base: str, turns: int) -> tuple[int, int]:
    """(wrong answers, lost or doubled events) of one session."""
    session, wrong, lost = _session(base), 0, 0
    at = f"{base}/v1/sessions/{session}/turns"
    for turn in range(turns):
        body, head = {"question": "Is there a spot?"}, {"accept": "text/event-stream"}
        ids, answers = [], []
        with httpx.stream("POST", at, json=body, headers=head, timeout=120) as got:
            for line in got.iter_lines():
                if line.startswith("id: "):
                    ids.append(int(line[4:]))
                if line.startswith('data: {"question"'):
                    answers.append(json.loads(line[6:])["answer"])
        wrong += answers != [f"Answer {turn}."]
        lost += ids != list(range(1, len(ids) + 1)) or not ids
    return wrong, lost


def _alone(script: Path, turns: int) -> list[float]:
    """Seconds of the first question through `Agent`, without a server."""
    import io

    from PIL import Image

    from foveate.agent.run import Agent
    from foveate.tools.imaging.errors import Limits
    from foveate.tools.imaging.raster import load_raster

    Image.open(io.BytesIO(picture())).load()
    image = load_raster(picture(), "PNG", "picture", Limits())
    agent = Agent(f"scripted:{script}", grounder=None)
    agent.ask(image, "Is there a spot?")
    return [_timed(lambda: agent.ask(image, "Is there a spot?")) for _ in range(turns)]


def _timed(work: Any) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def _resident(process: Process) -> float:
    """MiB of the server's resident memory."""
    assert process.child is not None
    for line in Path(f"/proc/{process.child.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return round(int(line.split()[1]) / 1024, 1)
    raise RuntimeError("this system does not say how much memory a process has")


if __name__ == "__main__":
    sys.exit(main())
