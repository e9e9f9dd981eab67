"""Annotation files as records: CSV and TSV, JSON and JSON lines, each record with its line.

Column names are matched without regard to case, surrounding blanks or a byte-order mark, and nothing else:
a column that is missing is an error that names the file. Knows no benchmark.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from foveate.evals.tasks.records import DataFault, Place, Record


def shown(path: Path) -> str:
    """A file as an error names it: its name and folder, not the whole path."""
    return "/".join(path.parts[-2:])


def existing(folder: Path, *names: str) -> Path:
    """The first of these files or folders that is there. Raises DataFault when none is."""
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise DataFault(
        f"{shown(folder)}: there is no {' or '.join(names)}; expected the files as they are released."
    )


def read_table(path: Path, columns: Sequence[str], delimiter: str = ",") -> list[Record]:
    """The rows of a CSV or TSV file with a header; values by the names in `columns`, others by their own."""
    rows = _rows(path, delimiter)
    header = next(rows, None)
    if header is None:
        raise Place(shown(path)).fault("the file is empty", f"a header with the columns {', '.join(columns)}")
    names = spelled(path, header[1], columns)
    records = []
    for line, cells in rows:
        place = Place(shown(path), line)
        if len(cells) != len(names):
            raise place.fault(f"{len(cells)} cells", f"{len(names)}, as in the header")
        records.append(Record(place, dict(zip(names, cells, strict=True))))
    return records


def read_positional(path: Path, names: Sequence[str]) -> list[Record]:
    """The rows of a CSV file whose header is no guide: cells by position, further ones must be blank."""
    records = []
    for line, cells in list(_rows(path, ","))[1:]:
        place = Place(shown(path), line)
        if len(cells) < len(names) or any(cell.strip() for cell in cells[len(names) :]):
            raise place.fault(f"{len(cells)} cells", f"{len(names)}: {', '.join(names)}")
        records.append(Record(place, dict(zip(names, cells, strict=False))))
    return records


def _rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line on which the row starts, cells); blank lines are left out."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # some releases keep whole images in a cell
    with _opened(path) as stream:
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        start = 1
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, UnicodeDecodeError):
                raise Place(shown(path), start).fault(
                    "the row cannot be read", "UTF-8 text in CSV quoting"
                ) from None
            if any(cell.strip() for cell in cells):
                yield start, cells
            start = reader.line_num + 1


def spelled(path: Path, header: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The header with the expected spelling of the columns. Raises DataFault for missing and doubled ones."""
    known = {column.strip().lower(): column for column in columns}
    names = [known.get(name.strip().lower(), name.strip()) for name in header]
    missing = [column for column in columns if column not in names]
    place = Place(shown(path), 1)
    if missing:
        raise place.fault(f"no column {', '.join(missing)}", f"the columns {', '.join(columns)}")
    doubled = [column for column in columns if names.count(column) > 1]
    if doubled:
        raise place.fault(f"the column {doubled[0]} stands there twice", "each column once")
    return names


def read_json(path: Path) -> Any:
    """The whole content. Raises DataFault with the line where it stops being JSON."""
    with _opened(path) as stream:
        try:
            return json.load(stream)
        except json.JSONDecodeError as error:
            raise Place(shown(path), error.lineno).fault(
                f"no JSON here: {error.msg}", "a JSON file"
            ) from None
        except UnicodeDecodeError:
            raise Place(shown(path)).fault("the text cannot be read", "UTF-8") from None


def read_json_records(path: Path, *keys: str) -> list[Record]:
    """The objects of a list: the file itself, or what lies under these keys."""
    content = read_json(path)
    for key in keys:
        if not isinstance(content, dict) or key not in content:
            raise Place(shown(path)).fault(f"there is no {key!r}", f"an object with the key {key!r}")
        content = content[key]
    if not isinstance(content, list):
        raise Place(shown(path)).fault("it does not hold a list", "a list of objects")
    records = []
    for index, values in enumerate(content):
        place = Place(shown(path), partial(_line_of, path, (*keys, index)))
        if not isinstance(values, dict):
            raise place.fault("the entry is no object", "an object with named values")
        records.append(Record(place, values))
    return records


def read_json_lines(path: Path) -> list[Record]:
    """One object a line."""
    records = []
    with _opened(path) as stream:
        for line, text in enumerate(stream, start=1):
            if not text.strip():
                continue
            place = Place(shown(path), line)
            try:
                values = json.loads(text)
            except json.JSONDecodeError as error:
                raise place.fault(f"no JSON here: {error.msg}", "one JSON object a line") from None
            if not isinstance(values, dict):
                raise place.fault("the line is no object", "one JSON object a line")
            records.append(Record(place, values))
    return records


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise DataFault(f"{shown(path)}: the file is not there; expected the file as it is released.")
    return path.open(encoding="utf-8-sig", newline="")


def _line_of(path: Path, steps: Sequence[str | int]) -> int | None:
    """The line where the object under these steps starts, read again with a slower decoder: for errors."""
    text = path.read_text(encoding="utf-8-sig")
    decoder = _Tracking()
    value: Any = decoder.decode(text)
    for step in steps:
        value = value[step]
    start = decoder.starts.get(id(value))
    return None if start is None else text.count("\n", 0, start) + 1


class _Tracking(json.JSONDecoder):
    """Notes where each object starts; the objects must be kept alive by the caller."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: dict[int, int] = {}
        scanner: Any = json.scanner  # type: ignore[attr-defined]
        inner = json.decoder.JSONObject  # type: ignore[attr-defined]

        def parse_object(at: tuple[str, int], *rest: Any) -> Any:
            value, end = inner(at, *rest)
            self.starts[id(value)] = at[1] - 1
            return value, end

        self.parse_object = parse_object
        self.scan_once = scanner.py_make_scanner(self)
