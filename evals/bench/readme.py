"""Copies the measured numbers into the README: `python -m foveate.evals.bench.readme`.

The table of `pocket/REPORT.md`, the rows of `out/bench/ask.json` and the runs of `make evals` go between the
README's markers, so that no number there was written by hand. Measures nothing itself.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foveate.evals.bench.rows import Row, read_rows

EVALUATED = ("pocket-c", "pocket-nodule")
MARKED = re.compile(r"(<!-- (\w+): [^\n]*-->\n).*?(<!-- /\2 -->)", re.DOTALL)


def quality_table(report: str) -> str:
    """The table under "In one table" of the report. Raises ValueError when there is none."""
    found = re.search(r"^## In one table\n+((?:\|[^\n]*\n)+)", report, re.MULTILINE)
    if found is None:
        raise ValueError(
            "The report has no table under '## In one table'; run python -m foveate.pocket.report."
        )
    return found[1]


def speed_table(rows: Sequence[Row]) -> str:
    """The benchmark's rows as a Markdown table."""
    lines = ["| measure | value | target |", "|---|---|---|"]
    for row in rows:
        target = "" if row.target is None else f"≤ {row.target:g} {row.unit}"
        lines.append(f"| {row.name} | {row.value:.3g} {row.unit} | {target} |")
    return "\n".join(lines) + "\n"


def evals_table(runs: Sequence[tuple[str, Path, Path]]) -> str:
    """Each task's own metrics with and without tools, from two runs' `results.json`, as Markdown."""
    lines = ["| task | metric | with tools | without tools | n |", "|---|---|---|---|---|"]
    for task, tools, plain in runs:
        with_tools, without = _rows(tools), _rows(plain)
        for name in [name for name in with_tools if name in without]:
            row, other = with_tools[name], without[name]
            lines.append(f"| {task} | {name} | {_share(row)} | {_share(other)} | {row['n']} |")
    return "\n".join(lines) + "\n"


def _rows(run: Path) -> dict[str, dict[str, Any]]:
    """The rows with an interval: the task's metrics."""
    table = json.loads((run / "results.json").read_text(encoding="utf-8"))["table"]
    return {row["metric"]: row for row in table if row["low"] is not None}


def _share(row: dict[str, Any]) -> str:
    return f"{row['value']:.2f} ({row['low']:.2f}–{row['high']:.2f})"


def filled(readme: str, tables: dict[str, str]) -> str:
    """The README with each marked place holding the table of its name; others stay as they are."""
    return MARKED.sub(lambda m: m[1] + tables[m[2]] + m[3] if m[2] in tables else m[0], readme)


def main() -> None:
    """Rewrite README.md from what has been measured."""
    parser = argparse.ArgumentParser(prog="python -m foveate.evals.bench.readme", description=__doc__)
    parser.add_argument("--report", type=Path, default=Path("pocket/REPORT.md"))
    parser.add_argument("--bench", type=Path, default=Path("out/bench/ask.json"))
    parser.add_argument("--evals", type=Path, default=Path("out/evals"))
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    options = parser.parse_args()
    tables = {}
    if options.report.exists():
        tables["quality"] = quality_table(options.report.read_text(encoding="utf-8"))
    if options.bench.exists():
        tables["speed"] = speed_table(read_rows(options.bench))
    named = [(t, options.evals / f"{t}-tools", options.evals / f"{t}-plain") for t in EVALUATED]
    runs = [run for run in named if all((folder / "results.json").exists() for folder in run[1:])]
    if runs:
        tables["evals"] = evals_table(runs)
    readme = options.readme.read_text(encoding="utf-8")
    options.readme.write_text(filled(readme, tables), encoding="utf-8")
    print(f"README.md: {', '.join(tables) or 'nothing'} copied")


if __name__ == "__main__":
    main()
