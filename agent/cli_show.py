"""A result for people: question, steps with seconds, answer, claims, evidence table.

Prints to standard output with rich; knows no model and writes no file.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

if TYPE_CHECKING:
    from foveate.agent.answer import Claim
    from foveate.agent.result import Result
    from foveate.agent.trace import Step
    from foveate.tools.evidence import Evidence
    from foveate.tools.imaging.image import SourceImage

PLAIN_WIDTH = 140
"""Columns of a table that goes to a file or a pipe."""
REASONS = {
    "not_visible": "not visible here",
    "cannot_tell": "cannot tell",
    "image_unusable": "image unusable",
    "no_evidence": "no evidence",
}


def show_result(result: Result, images: Sequence[SourceImage], console: Console | None = None) -> None:
    """Print one question and its answer."""
    console = console or Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    console.print(f"\n[bold]{escape(result.state['question'])}[/bold]")
    for image in images:
        console.print(f"[dim]{escape(image.name)}: {escape(image.describe())}[/dim]")
    console.print(Padding(steps_table(result.steps), (1, 0, 1, 2), expand=False))
    console.print(f"[bold green]→[/bold green] {escape(result.answer.text)}")
    for claim in result.answer.claims:
        console.print(f"  [dim]·[/dim] {escape(claim.text)} [dim]{claim_note(claim)}[/dim]")
    if not (result.answer.claims or result.answer.abstained):
        console.print("  [dim]· nothing is claimed: no box and no score bear this answer out[/dim]")
    if result.answer.evidence:
        console.print(Padding(evidence_table(result.answer.evidence), (1, 0, 0, 2), expand=False))
    console.print(f"[dim]{escape(summary(result))}[/dim]")


def steps_table(steps: Sequence[Step]) -> Table:
    """One row a step: number, tool, arguments, seconds, and the error of a failed one."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for step in steps:
        words = arguments_line(step.arguments) if step.tool != "answer" else ""
        fault = f" [red]{escape(step.error or 'failed')}[/red]" if not step.ok else ""
        table.add_row(
            f"[dim]{step.n}[/dim]", step.tool, escape(words) + fault, f"[dim]{step.seconds:.2f} s[/dim]"
        )
    return table


def arguments_line(arguments: dict[str, Any]) -> str:
    """Arguments as `name value` pairs on one line, without empty ones."""
    told = (f"{key} {format_value(value)}" for key, value in arguments.items() if value is not None)
    return ", ".join(told)


def format_value(value: Any) -> str:
    """A value for a line: at most one decimal, lists in brackets."""
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(format_value(item) for item in value) + "]"
    return str(value)[:80]


def claim_note(claim: Claim) -> str:
    """What a claim rests on, or why a check took it back."""
    if claim.refuted:
        return f"not supported: {claim.refuted}"
    if claim.evidence:
        return ", ".join(claim.evidence)
    return "decided by a score" if claim.supported else "no evidence cited"


def evidence_table(evidence: Sequence[Evidence]) -> Table:
    """One row a box."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("", "what", "box, source pixels", "slice", "size, mm", "score", "by"):
        table.add_column(name)
    for one in evidence:
        score = "" if one.score is None else f"{one.score:.2f}"
        row = (one.id, one.label, format_value(list(one.box)), str(one.slice), size_mm(one), score, one.tool)
        table.add_row(*(escape(cell) for cell in row))
    return table


def size_mm(evidence: Evidence) -> str:
    """Extent of the box in its own plane, in patient millimetres, or "" where the file has none."""
    if evidence.mm is None:
        return ""
    extent = sorted((evidence.mm[i + 3] - evidence.mm[i] for i in range(3)), reverse=True)
    return " x ".join(f"{side:.1f}" for side in extent[:2])


def summary(result: Result) -> str:
    """One line: certainty, model, time, tokens, what ended the run."""
    parts = [REASONS[result.answer.reason or "cannot_tell"]] if result.answer.abstained else []
    if result.answer.confidence is not None:
        parts.append(f"confidence {result.answer.confidence:.2f}")
    parts += [result.model, f"{len(result.steps)} steps", f"{result.seconds:.1f} s"]
    parts.append(f"{result.usage['input_tokens']} + {result.usage['output_tokens']} tokens")
    if result.stopped_by != "answer":
        parts.append(f"stopped by {result.stopped_by}")
    return " · ".join(parts)
