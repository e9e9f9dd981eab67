"""A benchmark's measured numbers: printed beside their targets and written as JSON. Measures nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One measured number; `target` is the most that it may be, None where there is none."""

    name: str
    value: float
    unit: str
    target: float | None = None

    def line(self) -> str:
        verdict = "" if self.target is None else f"target {self.target:g} {self.unit}"
        missed = "  MISSED" if self.target is not None and self.value > self.target else ""
        return f"{self.name:<58}{self.value:>10.3g} {self.unit:<5}{verdict:<18}{missed}"


def tell(rows: Sequence[Row], out: Path | None, name: str) -> None:
    """Prints the rows and, where a folder is given, writes them there as NAME.json."""
    for row in rows:
        print(row.line())
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.json").write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
