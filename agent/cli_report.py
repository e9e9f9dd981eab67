"""`foveate report`: the findings of an image as sentences with boxes, or a given report with its boxes.

Opens the image before anything is loaded. Knows no graph.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foveate.agent.checks.level import Level
from foveate.agent.cli_errors import InputError, RunError
from foveate.agent.cli_images import open_images, print_json

if TYPE_CHECKING:
    from foveate.agent.report import Report
    from foveate.tools.imaging.image import SourceImage

MAX_TEXT = 100_000
VIEW_SIDE = 1024


@dataclass(frozen=True)
class ReportOptions:
    """The options of `foveate report`, as given."""

    image: str
    text: Path | None
    model: str
    base_url: str | None
    grounder: str
    checks: Level
    max_steps: int
    max_seconds: float
    slice_index: int | None
    window: str | None
    as_json: bool
    allow_url: bool


def run_report(options: ReportOptions) -> None:
    """Report and print. Raises RunError when the model failed, after everything is printed."""
    with contextlib.redirect_stdout(sys.stderr):
        words = None if options.text is None else read_text(options.text)
        [image] = open_images([options.image], options.allow_url, options.window, options.slice_index)
        made = _asked(options, image) if words is None else _grounded(options, image, words)
    if options.as_json:
        print_json(made.to_json())
    else:
        show(made)
    if made.result is not None and made.result.stopped_by == "model_error":
        raise RunError(f"the model {made.result.model} failed: {made.result.failure}.")


def read_text(path: Path) -> str:
    """A report in words. Raises InputError for a file that is none."""
    try:
        words = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"--text {path} cannot be read as text.") from None
    if not words.strip():
        raise InputError(f"--text {path} is empty; write the report into it.")
    if len(words) > MAX_TEXT:
        raise InputError(f"--text {path} has {len(words)} characters; at most {MAX_TEXT} are read.")
    return words


def _asked(options: ReportOptions, image: SourceImage) -> Report:
    from foveate.agent.budget import Budget
    from foveate.agent.report import report_of
    from foveate.agent.run import Agent

    agent = Agent(
        model=options.model,
        base_url=options.base_url,
        grounder=options.grounder,
        checks=options.checks,
        budget=Budget(steps=options.max_steps, seconds=options.max_seconds),
    )
    return report_of(agent, image, options.slice_index)


def _grounded(options: ReportOptions, image: SourceImage, words: str) -> Report:
    from foveate.agent.report import report_from
    from foveate.agent.run import grounder_for
    from foveate.tools.imaging.views import overview

    grounder = grounder_for(options.grounder)
    if grounder is None:
        raise InputError("A report in words needs a grounder to find its phrases; leave out --grounder none.")
    try:
        return report_from(words, grounder, overview(image, VIEW_SIDE, options.slice_index), image)
    except ValueError as error:
        raise InputError(f"--text {options.text}: {error}.") from None


def show(made: Report) -> None:
    """Print the sentences, each with its boxes, for people."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    for finding in made.findings:
        console.print(
            f"[dim]·[/dim] {escape(finding.text)}{'' if finding.supported else ' [dim](unsupported)[/dim]'}"
        )
        for one in finding.evidence:
            told = f"{one.label} {_numbers(one.box)} slice {one.slice}"
            console.print(f"    [dim]{escape(told)}[/dim]")
    console.print(f"[dim]{escape(made.notice)} {made.seconds:.1f} s[/dim]")


def _numbers(box: Sequence[float]) -> str:
    return "[" + ", ".join(f"{edge:.1f}" for edge in box) + "]"
