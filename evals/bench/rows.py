"""A benchmark's measured numbers: printed beside their targets and written as JSON. Measures nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One measured number; `target` is the most, `at_least` the least that it may be, None where it may."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: float | None = None

    @property
    def missed(self) -> bool:
        low = self.at_least is not None and self.value < self.at_least
        return low or (self.target is not None and self.value > self.target)

    def line(self) -> str:
        told = "" if self.at_least is None else f"target ≥ {self.at_least:g} {self.unit}"
        told = told if self.target is None else f"target ≤ {self.target:g} {self.unit}"
        return (
            f"{self.name:<64}{self.value:>10.4g} {self.unit:<5}{told:<18}{'  MISSED' if self.missed else ''}"
        )


def tell(rows: Sequence[Row], out: Path | None, name: str) -> None:
    """Prints the rows and, where a folder is given, writes them there as NAME.json, with what they missed."""
    for row in rows:
        print(row.line())
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        records = [{**asdict(row), "missed": row.missed} for row in rows]
        (out / f"{name}.json").write_text(json.dumps(records, indent=2) + "\n")


def read_rows(path: Path) -> list[Row]:
    """The rows of such a file."""
    known = {field.name for field in fields(Row)}
    told = json.loads(path.read_text(encoding="utf-8"))
    return [Row(**{name: value for name, value in row.items() if name in known}) for row in told]
