"""One record of an annotation file, with the place it came from, so that every complaint names file and line.

Knows no file format and no benchmark. A complaint never quotes a text value of the file (it may name a
patient), only column names, numbers and what was expected.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from foveate.evals.contract.problems import DataProblem

XYXY = tuple[float, float, float, float]
EDGE = 1.0
"""How far, in pixels, a box may reach over the edge of its image, as rounding to whole pixels makes it; it
is then cut to the edge. Anything more is a fault."""


class DataFault(DataProblem):
    """Something in a benchmark's files that cannot be used: which file, which line, what was expected."""


@dataclass(frozen=True)
class Place:
    """A file as the user named it and a line (or row) of it; the line may be worked out only when needed."""

    file: str
    line: int | Callable[[], int | None] | None = None
    unit: str = "line"

    def __str__(self) -> str:
        line = self.line() if callable(self.line) else self.line
        return self.file if line is None else f"{self.file}, {self.unit} {line}"

    def fault(self, wrong: str, expected: str) -> DataFault:
        return DataFault(f"{self}: {wrong}; expected {expected}.")


@dataclass(frozen=True)
class Record:
    """Named values at a place. The readers raise `DataFault` for what is missing or of another kind."""

    place: Place
    values: Mapping[str, Any] = field(repr=False)

    def has(self, name: str) -> bool:
        """Whether the value is there and neither null nor blank nor a missing-value mark."""
        value = self.values.get(name)
        return value is not None and str(value).strip().lower() not in ("", "nan", "none", "null")

    def text(self, name: str) -> str:
        """A text or whole number as stripped text."""
        value = self.values.get(name)
        if not self.has(name) or not isinstance(value, str | int):
            raise self.place.fault(f"{name!r} is {_kind(value)}", "a text")
        return str(value).strip()

    def text_or(self, name: str, default: str = "unknown") -> str:
        """The text, or the default where there is none."""
        return self.text(name) if self.has(name) else default

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """One of the allowed texts, compared without regard to case."""
        told = self.text(name).lower()
        for option in allowed:
            if option.lower() == told:
                return option
        raise self.place.fault(f"{name!r} is none of the allowed values", " or ".join(allowed))

    def number(self, name: str) -> float:
        """A finite number."""
        return finite(self.place, name, self.values.get(name))

    def integer(self, name: str) -> int:
        value = self.number(name)
        if not value.is_integer():
            raise self.place.fault(f"{name!r} is {value:g}", "a whole number")
        return int(value)

    def items(self, name: str) -> list[Any]:
        value = self.values.get(name)
        if not isinstance(value, list):
            raise self.place.fault(f"{name!r} is {_kind(value)}", "a list")
        return value

    def size(self, width: str, height: str) -> tuple[int, int]:
        """(width, height) in pixels, both positive."""
        size = self.integer(width), self.integer(height)
        if min(size) < 1:
            raise self.place.fault(f"the image size is {size[0]} x {size[1]}", "positive whole numbers")
        return size

    def numbers(self, name: str, count: int) -> list[float]:
        """A list of exactly so many finite numbers."""
        return exactly(self.place, name, self.values.get(name), count)


def exactly(place: Place, name: str, value: object, count: int) -> list[float]:
    """`value` as a list of `count` finite numbers. Raises DataFault."""
    if not isinstance(value, list | tuple) or len(value) != count:
        raise place.fault(f"{name!r} is {_kind(value)}", f"a list of {count} numbers")
    return [finite(place, name, each) for each in value]


def finite(place: Place, name: str, value: object) -> float:
    """`value` as a finite number; a table's text is read as a number. Raises DataFault."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise place.fault(f"{name!r} is {_kind(value)}", "a number")
    try:
        number = float(value)
    except ValueError:
        raise place.fault(f"{name!r} is {_kind(value)}", "a number") from None
    if not math.isfinite(number):
        raise place.fault(f"{name!r} is {number:g}", "a finite number")
    return number


def xywh(place: Place, values: Sequence[float], size: tuple[int, int] | None = None) -> XYXY:
    """(x, y, width, height) in pixels as a checked (x0, y0, x1, y1)."""
    x, y, width, height = values
    return xyxy(place, (x, y, x + width, y + height), size)


def xyxy(place: Place, values: Sequence[float], size: tuple[int, int] | None = None) -> XYXY:
    """A box in pixel edges, checked: not empty and, where the image's size is given, on the image."""
    x0, y0, x1, y1 = (float(value) for value in values)
    shown = f"the box ({x0:g}, {y0:g}, {x1:g}, {y1:g})"
    if not all(math.isfinite(value) for value in (x0, y0, x1, y1)):
        raise place.fault(f"{shown} has a number that is not finite", "four finite numbers")
    if x1 <= x0 or y1 <= y0:
        raise place.fault(f"{shown} is empty", "positive width and height")
    if size is None:
        return x0, y0, x1, y1
    width, height = size
    kept = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    over = max(-x0, -y0, x1 - width, y1 - height)
    if over > EDGE or kept[2] <= kept[0] or kept[3] <= kept[1]:
        raise place.fault(f"{shown} is off the image", f"a box within 0 to {width} and 0 to {height}")
    return kept


def unit_box(place: Place, values: Sequence[float], size: tuple[int, int]) -> XYXY:
    """(x0, y0, x1, y1) as shares 0..1 of an image of that size, in its pixels."""
    if any(not -1e-6 <= value <= 1 + 1e-6 for value in values):
        raise place.fault("the box has a coordinate outside 0 to 1", "shares of the image's width and height")
    (width, height), (x0, y0, x1, y1) = size, values
    return xyxy(place, (x0 * width, y0 * height, x1 * width, y1 * height), size)


def letter(place: Place, answer: str, options: Sequence[str]) -> str:
    """The letter of the right option, given as a letter with or without brackets or a full stop."""
    found = re.fullmatch(r"\(?([A-Za-z])\)?[.:]?", answer.strip())
    if found is None or ord(found[1].upper()) - ord("A") >= len(options):
        raise place.fault(
            "the answer is no letter of an option", f"a letter of {len(options)} options from A on"
        )
    return found[1].upper()


def _kind(value: object) -> str:
    """What a value is, without telling a text."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return "missing"
    if isinstance(value, bool | int | float):
        return f"{value}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "a text" if isinstance(value, str) else "an object"
