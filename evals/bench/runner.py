"""The runner's own cost: `python -m foveate.evals.bench.runner`, with a model that replays a script.

Two numbers beside their targets: what is added to the model's and tools' own time with 8 questions in flight,
and time and peak memory of 10,000 questions, report included, in a process of its own. Measures no model.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from foveate.agent.models.profiles import profile_for
from foveate.agent.models.scripted import ScriptedChatModel
from foveate.agent.run import Agent
from foveate.evals.bench.command import LAUNCHER
from foveate.evals.bench.graph import reply
from foveate.evals.bench.rows import Row, tell
from foveate.evals.bench.squares import Squares
from foveate.evals.contract.tasks import LoadOptions
from foveate.evals.inspect.asking import Asker
from foveate.evals.inspect.configuration import Configuration
from foveate.evals.inspect.images import OpenedImages
from foveate.evals.session import Session
from foveate.tools.imaging.store import ImageStore

PARALLEL = 8
BOX = [10.0, 10.0, 120.0, 120.0]


class SlowScript(ScriptedChatModel):
    """A script whose every reply takes `seconds`, as a served model's would."""

    seconds: float = 0.0

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        time.sleep(self.seconds)
        return super()._generate(messages, *args, **kwargs)


def scripted_session(samples: int, seconds: float, out: Path, parallel: int = PARALLEL) -> Session:
    """A run of the squares in which every question takes one tool call and an answer that cites it."""
    answer = {"text": "Here.", "claims": [{"text": "A rectangle.", "evidence": ["E1"]}], "confidence": 0.8}
    replies = [reply("measure", {"box": BOX, "view": "V0"}, 1), reply("answer", answer, 2)]
    store, task = ImageStore(), Squares(samples)
    model = SlowScript(replies=replies, seconds=seconds)
    agent = Agent(model=model, grounder=None, profile=profile_for("pocket"), store=store)
    return Session(
        task=task,
        items=task.load(out, LoadOptions()),
        configuration=Configuration("squares", model="scripted", grounder="none"),
        out=out,
        parallel=parallel,
        own_asker=Asker(agent, OpenedImages(store)),
    )


def overhead_rows(samples: int, seconds: float) -> list[Row]:
    """Wall time against the model's and tools' own, with 8 in flight."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        start = time.perf_counter()
        scripted_session(samples, seconds, out).asked()
        wall = time.perf_counter() - start
        own = sum(_own_seconds(json.loads(line)["trace"]) for line in (out / "predictions.jsonl").open())
    added = (wall * PARALLEL / own - 1) * 100
    name = f"runner's share, {samples} questions of {own / samples:.2f} s, {PARALLEL} in flight"
    return [Row(name, added, "%", 5.0)]


def large_rows(samples: int) -> list[Row]:
    """Time and memory of a large run in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-c", LAUNCHER, sys.executable, "-m", "foveate.evals.bench.runner"]
        line += ["--only", str(samples), "--folder", folder]
        told = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    code, said, taken, peak_mib = json.loads(told)
    if code != 0:
        raise RuntimeError(f"the large run ended with {code}: {said}")
    return [
        Row(f"{samples} scripted questions with report", taken / 60, "min", 10.0),
        Row("peak memory of that run", peak_mib / 1024, "GiB", 1.5),
    ]


def _own_seconds(trace: dict[str, Any]) -> float:
    tools = sum(step["seconds"] for step in trace["steps"])
    return float(trace["usage"]["model_seconds"] + tools)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write `runner.json`."""
    parser = argparse.ArgumentParser(prog="python -m foveate.evals.bench.runner", description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000, help="of the large run; 0 leaves it out")
    parser.add_argument("--questions", type=int, default=240, help="of the overhead run")
    parser.add_argument("--seconds", type=float, default=2.0, help="that a scripted reply takes there")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.only is not None:
        scripted_session(options.only, 0.0, options.folder / "run").run()
        return
    rows = overhead_rows(options.questions, options.seconds)
    rows += large_rows(options.samples) if options.samples else []
    tell(rows, options.out, "runner")


if __name__ == "__main__":
    main()
