"""The classes of a fixed-class detector: names and synonyms from a file, and phrases matched to them.

A file has one class per line, in the order of the model's outputs: "name" or "name: synonym, synonym". Blank
lines and lines that begin with # do not count. Knows no model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from foveate.tools.grounding.errors import GrounderError

MOST_SHOWN = 12
_WORD = re.compile(r"[^\W_]+")
_SMALL = {"a", "an", "the", "of", "in"}


@dataclass(frozen=True)
class Classes:
    """`names` in the order of the model's outputs, "" for an unused one; `known` maps every normalised name
    and synonym to one."""

    names: tuple[str, ...]
    known: dict[str, int]

    def find(self, phrase: str) -> int | None:
        """The class that a phrase names, None when it names none."""
        return self.known.get(normalised(phrase))

    def told(self) -> str:
        """The names for an error or a reason, cut where there are many."""
        names = [name for name in self.names if name]
        more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
        return ", ".join(names[:MOST_SHOWN]) + more


def normalised(phrase: str) -> str:
    """Lower case, words in alphabetical order without articles, a plural's s dropped: "Nodules of the left
    lung" and "left lung nodule" are one."""
    words = (w[:-1] if len(w) > 3 and w.endswith("s") and w[-2] not in "su" else w for w in _words(phrase))
    return " ".join(sorted(w for w in words if w not in _SMALL))


def _words(phrase: str) -> list[str]:
    return _WORD.findall(phrase.lower())


def read_rows(path: Path) -> list[list[str]]:
    """A class file's rows of a name and its synonyms. Raises GrounderError, naming the file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise GrounderError(f"The class file {path.name!r} cannot be read as text.") from error
    told = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return [[name.strip() for name in re.split("[:,]", line)] for line in told]


def read_classes(path: Path, count: int) -> Classes:
    """A class file that must name `count` classes. Raises GrounderError, naming the file."""
    rows = read_rows(path)
    if len(rows) != count:
        raise GrounderError(
            f"The class file {path.name!r} names {len(rows)} classes, the model has {count}: they do not fit."
        )
    return classes_of(rows, f"The class file {path.name!r}")


def classes_of(rows: list[list[str]], source: str) -> Classes:
    """Classes from rows of a name and its synonyms. Raises GrounderError when a name stands for two."""
    known: dict[str, int] = {}
    for index, row in enumerate(rows):
        for name in filter(None, map(normalised, row)):
            if known.setdefault(name, index) != index:
                raise GrounderError(f"{source} gives {name!r} to two classes.")
    return Classes(tuple(row[0] for row in rows), known)
