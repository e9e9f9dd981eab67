"""`foveate semsam build`: the table of neighbours of a model, for semantic sampling."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from foveate.agent.cli_errors import InputError
from foveate.agent.cli_images import print_json

if TYPE_CHECKING:
    from foveate.tools.semsam.table import Table


def run_build(model: str, out: Path | None, k: int, matrix: str, content: str, as_json: bool) -> None:
    """Build, save and say where. Raises InputError, ModelError or TableError."""
    if matrix not in ("input", "output"):
        raise InputError(f"--matrix must be input or output, not {matrix[:40]!r}.")
    begin = time.perf_counter()
    path, table = _build(_checkpoint(model), out, k, cast(Literal["input", "output"], matrix), content)
    about = table.about
    if as_json:
        seconds = round(time.perf_counter() - begin, 2)
        told = {name: getattr(about, name) for name in about.__dataclass_fields__}
        print_json({"file": str(path), **told, "seconds": seconds})
        return
    print(
        f"{path}\n{about.content_tokens} of {about.vocabulary} tokens are content, {about.k} neighbours each."
    )


def _checkpoint(model: str) -> str:
    """The folder or hub id of a model specification."""
    if model == "pocket":
        from foveate.agent.models.pocket import pocket_folder

        return str(pocket_folder())
    return model.removeprefix("hf:")


def _build(
    model: str, out: Path | None, k: int, matrix: Literal["input", "output"], content: str
) -> tuple[Path, Table]:
    from rich.console import Console
    from rich.progress import Progress

    from foveate.tools.semsam.store import build_to

    with Progress(console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task("neighbours", total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        return build_to(model, out, k, matrix, content, tell)
