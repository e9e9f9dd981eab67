"""Parquet files as records, and the pictures in their cells, which are read again when their turn comes.

A benchmark's pictures may be more than memory holds: a row keeps none of them, an image only knows its cell.
Needs pyarrow (`pip install 'foveate[evals]'`). Knows no benchmark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from foveate.evals.contract.images import MadeImage
from foveate.evals.tasks.pictures import bytes_size, decoded
from foveate.evals.tasks.reading import shown, spelled
from foveate.evals.tasks.records import DataFault, Place, Record
from foveate.tools.imaging.image import SourceImage

BATCH = 64
KEPT_COLUMNS = 8
"""Columns of a row group that are kept read: the images of a question lie in as many."""


@dataclass(frozen=True)
class Row(Record):
    """A row, with where it lies: row group, number in it, and the columns' names as the file spells them."""

    path: Path = Path()
    group: int = 0
    at: int = 0
    stored: Mapping[str, str] = field(default_factory=dict, repr=False)

    def picture(self, name: str) -> bytes:
        """The bytes of an image file in a cell, plain or under "bytes". Raises DataFault."""
        cell = self.values.get(name)
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if not isinstance(data, bytes):
            raise self.place.fault(f"{name!r} holds no bytes", "an image file inside the Parquet cell")
        return data


def read_parquet(paths: Iterable[Path], columns: Sequence[str]) -> Iterator[Row]:
    """The rows of Parquet files, a batch at a time. Raises DataFault."""
    for path in paths:
        file = _opened(path)
        header = list(file.schema_arrow.names)
        names = spelled(path, header, columns)
        stored, number = dict(zip(names, header, strict=True)), 0
        for group in range(file.num_row_groups):
            at = 0
            for batch in file.iter_batches(batch_size=BATCH, row_groups=[group]):
                for values in batch.rename_columns(names).to_pylist():
                    number += 1
                    yield Row(Place(shown(path), number, "row"), values, path, group, at, stored)
                    at += 1


def cell_image(row: Row, name: str) -> MadeImage:
    """The picture in a cell, checked now and read again when it is opened. Raises DataFault."""
    data = row.picture(name)
    bytes_size(row.place, data)
    key = sha256(data).hexdigest()
    return MadeImage(key, partial(_open_cell, row.path, row.group, row.stored[name], row.at))


def _open_cell(path: Path, group: int, column: str, at: int) -> SourceImage:
    cell = _column(path, group, column)[at].as_py()
    return decoded(cell["bytes"] if isinstance(cell, dict) else cell)


@lru_cache(maxsize=KEPT_COLUMNS)
def _column(path: Path, group: int, column: str) -> Any:
    # questions come in the order of the file: a row group is read once, not once a picture
    return _opened(path).read_row_group(group, columns=[column]).column(0)


def _opened(path: Path) -> Any:
    try:
        from pyarrow import ArrowInvalid, parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise DataFault("Parquet files need pyarrow: pip install 'foveate[evals]'.") from None
    try:
        return parquet.ParquetFile(path)
    except ArrowInvalid:
        raise Place(shown(path)).fault("it cannot be read as Parquet", "a complete Parquet file") from None
