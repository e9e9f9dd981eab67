"""`foveate ask`: one question, one answer, printed for people or as one JSON object, and written to a folder.

Opens the images before any model is loaded, so that a bad input costs nothing. Knows no graph.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foveate.agent.cli_errors import InputError, RunError
from foveate.agent.cli_images import open_images, print_json
from foveate.agent.cli_options import AgentOptions

if TYPE_CHECKING:
    from foveate.agent.page import Shown
    from foveate.agent.result import Result
    from foveate.agent.retrieve import Informed
    from foveate.tools.imaging.image import SourceImage
    from foveate.tools.retrieval.search import Library


@dataclass(frozen=True, kw_only=True)
class AskOptions(AgentOptions):
    """The options of `foveate ask`, as given."""

    images: list[str]
    question: str
    slice_index: int | None
    window: str | None
    as_json: bool
    out: Path | None
    allow_url: bool
    library: tuple[str, ...] = ()


def run_ask(options: AskOptions) -> None:
    """Ask, print and write. Raises RunError when the model failed, after everything is printed."""
    # Whatever a library prints goes to standard error; standard output is the answer's alone.
    with contextlib.redirect_stdout(sys.stderr):
        images = open_images(options.images, options.allow_url, options.window, options.slice_index)
        from foveate.agent.run import checked_question

        checked_question(options.question)
        if options.out is not None:
            make_folder(options.out)
        library = open_library(options.library) if options.library else None
        result, informed = ask(options, images, library)
        if options.out is not None:
            write_run(options.out, result, images)
    if options.as_json:
        print_json(result.to_json() if informed is None else informed.to_json())
    else:
        from foveate.agent.cli_show import show_result

        show_result(result, images)
        if informed is not None:
            print(informed.note)
    if result.stopped_by == "model_error":
        raise RunError(f"the model {result.model} failed: {result.failure}.")


def open_library(names: Sequence[str]) -> Library:
    """The library of "knowledge" and of folders of cases. Raises LibraryError."""
    from foveate.tools.retrieval.documents import case_documents, knowledge_documents
    from foveate.tools.retrieval.search import Library

    parts = [knowledge_documents() if n == "knowledge" else case_documents(Path(n)) for n in names]
    return Library([document for part in parts for document in part])


def ask(
    options: AskOptions, images: Sequence[SourceImage], library: Library | None = None
) -> tuple[Result, Informed | None]:
    """Load the model and ask it, with what the library has where there is one."""
    from rich.console import Console

    with Console(stderr=True).status("loading the model") as status:
        agent = options.agent()
        status.update("looking")
        index = options.slice_index
        start = None if index is None else [agent.overview(image, index) for image in images]
        if library is None:
            return agent.ask(images, options.question, start=start), None
        from foveate.agent.retrieve import ask_informed

        informed = ask_informed(agent, images, options.question, library, start)
        return informed.result, informed


def make_folder(folder: Path) -> None:
    """Make the folder for --out. Raises InputError when it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder} cannot be made: {error.strerror}.") from None


def write_run(
    folder: Path, result: Result, images: Sequence[SourceImage], remarks: tuple[tuple[str, str], ...] = ()
) -> Shown:
    """Write answer.json, trace.json, one overlay PNG a slice and index.html into a folder that exists."""
    from foveate.agent.page import shown, write_page

    look = shown(result, images, remarks)
    write_json(folder / "answer.json", result.to_json())
    write_json(folder / "trace.json", result.trace())
    for name, overlay in zip(overlay_names(len(look.overlays)), look.overlays, strict=True):
        overlay.picture.save(folder / name, "PNG")
    write_page(folder / "index.html", "One answer", [look])
    return look


def overlay_names(count: int) -> list[str]:
    """overlay.png for a single slice, else overlay-1.png and so on."""
    return ["overlay.png"] if count == 1 else [f"overlay-{number}.png" for number in range(1, count + 1)]


def write_json(path: Path, record: dict[str, object]) -> None:
    """An indented JSON file."""
    path.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n")
