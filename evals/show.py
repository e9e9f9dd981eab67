"""What the evaluation commands print for people. Knows no Inspect AI and computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from foveate.evals.contract.tasks import Task

if TYPE_CHECKING:
    from foveate.evals.compare import Comparison
    from foveate.evals.report import Section
    from foveate.evals.results import Row
    from foveate.evals.session import Outcome


BIASED = "† resampling shifts this metric by so much; the interval is corrected for it"
WIDE = 120
"""Columns where standard output is no terminal."""


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDE)


def task_record(task: Task, present: bool) -> dict[str, Any]:
    """One task as `foveate tasks --json` tells it."""
    info = task.info
    return {
        "name": info.name,
        "title": info.title,
        "kinds": list(info.kinds),
        "licence": info.licence,
        "licence_url": info.licence_url,
        "accept_licence": info.accept,
        "obtain": info.obtain,
        "expects": list(info.expects),
        "options": dict(info.options),
        "present": present,
        "published": len(info.published),
    }


def show_tasks(rows: Sequence[Mapping[str, Any]]) -> None:
    """A list, a task a paragraph: tables are too narrow for licences and sentences."""
    console = _console()
    for row in rows:
        mark = "[green]here[/green]" if row["present"] else "[dim]not here[/dim]"
        console.print(f"[bold]{escape(row['name'])}[/bold]  {escape(row['title'])}  ({mark})")
        asked = ", --accept-licence" if row["accept_licence"] else ""
        console.print(f"    licence: {escape(row['licence'])}{asked}", style="dim", soft_wrap=True)
        console.print(f"    data: {escape(row['obtain'])}", style="dim", soft_wrap=True)
        for name, told in row["options"].items():
            console.print(f"    --option {name}=…: {escape(told)}", style="dim", soft_wrap=True)


def show_outcome(outcome: Outcome) -> None:
    """Notes, the table of results, and where the rest is."""
    console = _console()
    for note in outcome.notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)
    console.print(results_table(outcome.rows))
    for section in outcome.sections:
        console.print(section_table(section))
        console.print(escape(section.words), style="dim", soft_wrap=True)
    console.print(f"{outcome.samples} questions; report: {outcome.report}", soft_wrap=True)
    console.print(f"log: inspect view start --log-dir {outcome.folder / 'inspect'}", soft_wrap=True)


def section_table(section: Section) -> Table:
    """A study's table."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=section.title, title_justify="left")
    for number, name in enumerate(section.columns):
        made.add_column(name, justify="left" if number == 0 else "right")
    for row in section.rows:
        made.add_row(*row)
    return made


def show_comparison(comparison: Comparison) -> None:
    """What differs, and the paired differences."""
    console = _console()
    console.print(f"{comparison.task}: {comparison.runs[0]} minus {comparison.runs[1]}", soft_wrap=True)
    for name, (first, second) in comparison.differs.items():
        console.print(f"  {name}: {_short(first)} | {_short(second)}", soft_wrap=True)
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("metric", "first", "second", "difference", "95 %", "p", "McNemar p", "n"):
        made.add_column(title, justify="left" if title in ("metric", "95 %") else "right")
    for pair in comparison.pairs:
        mcnemar = "" if pair.mcnemar is None else f"{pair.mcnemar:.3g}"
        made.add_row(
            pair.metric,
            f"{pair.first:.3f}",
            f"{pair.second:.3f}",
            f"{pair.difference:+.3f}",
            f"{pair.low:+.3f} – {pair.high:+.3f}",
            f"{pair.p_value:.3g}",
            mcnemar,
            str(pair.n) if pair.clusters == pair.n else f"{pair.n} in {pair.clusters}",
        )
    console.print(made)
    if any(comparison.alone):
        console.print(f"left out, in one run only: {comparison.alone[0]} and {comparison.alone[1]} questions")


def results_table(rows: Sequence[Row]) -> Table:
    """Metric, value, 95 % interval, n, and what others published."""
    told = ["* the benchmark's own metric"] if any(row.official for row in rows) else []
    told += [BIASED] if any(row.bias is not None for row in rows) else []
    caption = "; ".join(told) or None
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=caption, caption_justify="left")
    for title, justify in (("metric", "left"), ("value", "right"), ("95 %", "left"), ("n", "right")):
        made.add_column(title, justify=justify)  # type: ignore[arg-type]
    made.add_column("published", overflow="fold")
    for row in rows:
        star = "*" if row.official else ""
        clusters = f" in {row.clusters}" if row.clusters not in (0, row.n) else ""
        made.add_row(
            row.metric + star, f"{row.value:.3f}", _interval(row), f"{row.n}{clusters}", _others(row)
        )
    return made


def _short(value: object) -> str:
    """A configuration's value; of a digest, the beginning."""
    text = str(value)
    return escape(text[:10] if len(text) == 64 else text[:60])


def _interval(row: Row) -> str:
    if row.low is None or row.high is None:
        return ""
    mark = "" if row.bias is None else f" †{row.bias:+.3f}"
    return f"{row.low:.3f} – {row.high:.3f}{mark}"


def _others(row: Row) -> str:
    return "; ".join(f"{p.model} {p.value:g}" for p in row.published[:4])
