"""The right table for a model: named or from the user's cache, checked against the model, built if quick.

Knows where tables lie; `build.py` knows how they are made.
"""

from __future__ import annotations

from pathlib import Path

from foveate.tools.semsam.build import Progress, build_table, default_path
from foveate.tools.semsam.checkpoint import Matrix, find_embedding, load_tokenizer
from foveate.tools.semsam.content import tokenizer_sha256
from foveate.tools.semsam.table import (
    Table,
    TableError,
    check_made_of,
    check_neighbours_of,
    load_table,
    read_about,
    save_table,
)

QUICK = 16_384
"""Rows of an embedding whose table takes a second or two, so that nobody has to be asked to build it."""


def table_of(model: str, file: Path | None = None, k: int = 0, tokenizer: str | None = None) -> Table:
    """The table of a checkpoint (a folder or a hub id), made of just this tokenizer and embedding.

    `file` None looks in the cache, and builds the table of a small vocabulary there. `k`: neighbours
    that will be asked for. `tokenizer`: where it is not the checkpoint's own. Raises TableError.
    """
    matrix: Matrix = "output" if file is not None and read_about(file).matrix == "output" else "input"
    embedding = find_embedding(model, matrix)
    hashes = tokenizer_sha256(load_tokenizer(tokenizer or model)), embedding.sha256()
    path = file or default_path(hashes[1], hashes[0], matrix, Path(model).name)
    if file is None and not path.is_file():
        if embedding.rows > QUICK:
            raise TableError(
                f"there is no semantic-sampling table for {model}:"
                f" build it with `foveate semsam build {model}`"
            )
        save_table(build_table(model), path)
    table = load_table(path)
    check_made_of(table.about, *hashes)
    check_neighbours_of(table.about, k)
    return table


def build_to(
    model: str, out: Path | None, k: int, matrix: Matrix, content: str, progress: Progress | None = None
) -> tuple[Path, Table]:
    """Builds and saves a table, in the cache where no file is named. Raises TableError."""
    table = build_table(model, k, matrix, content, progress)
    about = table.about
    path = out or default_path(about.embedding_sha256, about.tokenizer_sha256, matrix, about.model)
    try:
        save_table(table, path)
    except OSError as error:
        raise TableError(f"{path} cannot be written: {error.strerror}") from None
    return path, table
