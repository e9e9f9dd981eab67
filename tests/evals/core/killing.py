"""Kills a run at ten random moments and prints what came of it; a process of its own, because it forks.

Usage: python killing.py FOLDER SAMPLES SEED.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from foveate.evals.bench.runner import scripted_session
from foveate.evals.inspect import asking
from foveate.evals.inspect.configuration import code_digest

KILLS, PARALLEL = 10, 8


def counted(folder: Path) -> None:
    """Every question that is begun leaves a line, so that a second asking shows."""
    ask = asking.Asker.ask

    def told(self: asking.Asker, question: asking.Question) -> asking.Asked:
        with (folder / "begun.txt").open("a") as stream:
            stream.write(question.id + "\n")
        return ask(self, question)

    asking.Asker.ask = told  # type: ignore[method-assign]


def child(folder: Path, samples: int) -> int:
    """Starts the run in a process of its own; returns its id."""
    pid = os.fork()
    if pid:
        return pid
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(folder.with_suffix(".err"), os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    counted(folder.parent)
    scripted_session(samples, 0.1, folder, PARALLEL).run()
    os._exit(0)


def done(folder: Path) -> int:
    path = folder / "predictions.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def killed(folder: Path, samples: int, rng: random.Random) -> int:
    """Starts the run, kills it at a random moment, and returns how many questions were done by then."""
    pid, start = child(folder, samples), done(folder)
    moment = start + rng.randrange(samples // KILLS // 2)  # ten kills must come before the end
    until = time.monotonic() + 240  # a starved machine needs minutes to begin
    while done(folder) < moment and time.monotonic() < until:
        if os.waitpid(pid, os.WNOHANG)[0]:
            raise RuntimeError(f"the run ended by itself: {folder.with_suffix('.err').read_text()[-2000:]}")
        time.sleep(0.01)
    time.sleep(rng.random() * 0.03)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return done(folder)


def main() -> None:
    code_digest()  # kept by all children: sources that are edited meanwhile would make another run
    folder, samples, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    at = [killed(folder, samples, rng) for _ in range(KILLS)]
    _, status = os.waitpid(child(folder, samples), 0)
    _, unbroken = os.waitpid(child(folder.with_name("unbroken"), samples), 0)
    print(json.dumps({"at": at, "status": [status, unbroken]}))


if __name__ == "__main__":
    main()
