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

from foveate.agent.cli_ask import make_folder, overlay_names, write_json
from foveate.agent.cli_errors import InputError, RunError
from foveate.agent.cli_images import open_images, print_json
from foveate.agent.cli_options import AgentOptions

if TYPE_CHECKING:
    from foveate.agent.report import Finding, Report
    from foveate.tools.imaging.image import SourceImage

MAX_TEXT = 100_000
VIEW_SIDE = 1024


@dataclass(frozen=True, kw_only=True)
class ReportOptions(AgentOptions):
    """The options of `foveate report`, as given."""

    image: str
    text: Path | None
    slice_index: int | None
    window: str | None
    as_json: bool
    out: Path | None
    allow_url: bool


def run_report(options: ReportOptions) -> None:
    """Report and print. Raises RunError when the model failed, after everything is printed."""
    with contextlib.redirect_stdout(sys.stderr):
        words = None if options.text is None else read_text(options.text)
        [image] = open_images([options.image], options.allow_url, options.window, options.slice_index)
        if options.out is not None:
            make_folder(options.out)
        made = _asked(options, image) if words is None else _grounded(options, image, words)
        if options.out is not None:
            write_report(options.out, made)
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
    from foveate.agent.report import report_of

    return report_of(options.agent(), image, options.slice_index)


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


def write_report(folder: Path, made: Report) -> None:
    """Write report.json and one overlay PNG a slice into a folder that exists; trace.json where a model was
    asked."""
    from foveate.agent.page.pictures import Looked, overlays

    write_json(folder / "report.json", made.to_json())
    if made.result is not None:
        write_json(folder / "trace.json", made.result.trace())
    looked = Looked({made.image.id: made.image}, made.views, {each.id: each for each in made.evidence})
    drawn = overlays(looked, made.evidence)
    for name, overlay in zip(overlay_names(len(drawn)), drawn, strict=True):
        overlay.picture.save(folder / name, "PNG")


def show(made: Report) -> None:
    """Print the sentences, each with its boxes or why it has none, for people."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[dim]{escape(made.image.name)}: {escape(made.image.describe())}[/dim]")
    for number, finding in enumerate(made.findings, 1):
        console.print(f"[bold]{number}[/bold] {escape(finding.text)}[dim]{escape(note(finding))}[/dim]")
        for one in finding.evidence:
            score = "" if one.score is None else f" {one.score:.2f}"
            told = f"{one.id} {one.label}{score} {format_box(one.box)} slice {one.slice}"
            console.print(f"    [dim]{escape(told)}[/dim]")
    console.print(f"[dim]{escape(made.notice)} {made.seconds:.1f} s[/dim]")


def note(finding: Finding) -> str:
    """In brackets, what else is to be said of a sentence; empty where its boxes say it all."""
    if not finding.supported:
        return " (not supported)" if finding.why is None else f" (not supported: {finding.why})"
    return "" if finding.present else " (looked for, and absent)"


def format_box(box: Sequence[float]) -> str:
    """In whole source pixels: what a person can find again."""
    return "[" + ", ".join(f"{edge:.0f}" for edge in box) + "]"
