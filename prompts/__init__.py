"""Every word that a model reads, as files; this loader hands them out.

Knows nothing of views, tools or models: a caller names a file and gives the values of its fields.
`text` gives a file as it is, `table` a TOML file, `fill` a template with its fields filled in.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
STYLES = ("compact", "full")


@cache
def text(name: str) -> str:
    """The content of `prompts/{name}` without its last newline. FileNotFoundError when there is no such
    file."""
    return (FOLDER / name).read_text(encoding="utf-8").rstrip("\n")


@cache
def table(name: str) -> dict[str, Any]:
    """The content of the TOML file `prompts/{name}`."""
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


def fill(name: str, **fields: object) -> str:
    """The template `prompts/{name}` with its `{fields}` filled in; a missing field is a KeyError."""
    return text(name).format(**fields)


def line(style: str, key: str, **fields: object) -> str:
    """One filled-in line of `prompts/{style}/lines.toml`, the short texts of observations and headers."""
    template: str = table(f"{style}/lines.toml")[key]
    return template.format(**fields)
