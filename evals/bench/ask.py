"""Speed and memory of `foveate ask`, beside their targets: `python -m foveate.evals.bench.ask`.

Every run compares two things of a kind (tools and none, cold and warm, a small and a large image) and prints
their ratio, because a time alone says more of the machine than of the program.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from foveate.agent.demo import demo_folder, questions
from foveate.evals.bench import command, graph
from foveate.evals.bench.rows import Row, tell


def help_rows() -> list[Row]:
    """Median wall seconds of the help texts."""
    return [
        Row(
            f"foveate {' '.join(line)}, median of 5",
            median(command.seconds(line) for _ in range(5)),
            "s",
            1.0,
        )
        for line in (["--help"], ["ground", "--help"])
    ]


def cold_rows(model: str, image: Path, question: str) -> list[Row]:
    """A process that starts, loads both models and answers once."""
    ran = command.measured(["ask", str(image), "-q", question, "-m", model, "--json"])
    return [
        Row("first answer of a cold process", ran.seconds, "s", 20.0),
        Row("peak memory of that process", ran.peak_mib / 1024, "GiB", 2.0),
    ]


def warm_rows(model: str, image: Path, question: str, runs: int) -> list[Row]:
    """Median seconds of an answer by a loaded agent, with tools and without."""
    from foveate.agent.run import Agent

    rows = []
    for use_tools, name, target in ((True, "with tools", 8.0), (False, "without tools", None)):
        agent = Agent(model=model, use_tools=use_tools)
        agent.ask(str(image), question)
        times = [agent.ask(str(image), question).seconds for _ in range(runs)]
        rows.append(Row(f"warm answer {name}, median of {runs}", median(times), "s", target))
    return rows


def graph_rows() -> list[Row]:
    """The graph's own cost with a scripted model: no weights, tools that only compute."""
    small, large = graph.state_growth(256), graph.state_growth(2048)
    return [
        Row("the graph's own time a step", graph.overhead_ms(), "ms", 5.0),
        Row("state growth a step, 256 x 256 image", small / 1024, "KiB", 4.0),
        Row("state growth a step, 2048 x 2048 image", large / 1024, "KiB", 4.0),
    ]


def ratios(rows: Sequence[Row]) -> list[Row]:
    """The comparisons of one run."""
    value = {row.name.split(",")[0]: row.value for row in rows}
    grown = [row.value for row in rows if row.name.startswith("state growth")]
    found = [Row("state growth, large image / small image", grown[1] / grown[0], "x")]
    if "warm answer with tools" in value:
        tools, none = value["warm answer with tools"], value["warm answer without tools"]
        found.append(Row("warm answer, with tools / without", tools / none, "x"))
        found.append(Row("answer, cold / warm", value["first answer of a cold process"] / tools, "x"))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write `ask.json`."""
    parser = argparse.ArgumentParser(prog="python -m foveate.evals.bench.ask", description=__doc__)
    parser.add_argument("--model", default="pocket", help='a model, or "none" for the graph alone')
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    asked = questions(demo_folder())[0]
    image = demo_folder() / asked["image"]
    rows = help_rows()
    if options.model != "none":
        rows += cold_rows(options.model, image, asked["question"])
        rows += warm_rows(options.model, image, asked["question"], options.runs)
    rows += graph_rows()
    rows += ratios(rows)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end, model {options.model}")
    tell(rows, options.out, "ask")


if __name__ == "__main__":
    main()
