"""An append-only file of JSON records by id that survives SIGKILL at any moment.

A record is one line, written by one system call and read back only when it is whole; a line torn by a kill is
cut off when the file is opened again. Records stay on disk: memory holds where they are. Knows no evaluation.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """Records with an "id" each; the first of an id is kept and a second is an error."""

    def __init__(self, path: Path) -> None:
        self._places: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._end = self._index(path)

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __len__(self) -> int:
        return len(self._places)

    def ids(self) -> list[str]:
        """In the order of writing."""
        return list(self._places)

    def add(self, record: dict[str, Any]) -> None:
        """Appends. Raises KeyError for an id that is there: nothing may be done twice."""
        line = json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        with self._lock:
            if record["id"] in self._places:
                raise KeyError(f"the journal has a record of {record['id']!r} already")
            written = os.write(self._file, line)
            if written != len(line):  # a full disk: the torn line is cut off at the next start
                raise OSError(f"only {written} of {len(line)} bytes could be written")
            self._places[record["id"]] = (self._end, len(line))
            self._end += len(line)

    def get(self, name: str) -> dict[str, Any]:
        """The record of that id. Raises KeyError."""
        start, length = self._places[name]
        record: dict[str, Any] = json.loads(os.pread(self._file, length, start))
        return record

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self.get(name) for name in self.ids())

    def close(self) -> None:
        os.close(self._file)

    def _index(self, path: Path) -> int:
        end = 0
        with path.open("rb") as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                self._places[json.loads(line)["id"]] = (end, len(line))
                end += len(line)
        os.truncate(self._file, end)
        return end
