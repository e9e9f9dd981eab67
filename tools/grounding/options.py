"""Recipes of grounders: "key=value,key=value" read by the kinds of the defaults."""

from __future__ import annotations

import math
from typing import Any

from foveate.tools.grounding.errors import GrounderError


def read_options(name: str, recipe: str, **defaults: Any) -> dict[str, Any]:
    """The defaults with what the recipe says; a number where the default is one. Raises GrounderError."""
    told = dict(defaults)
    for part in filter(None, (p.strip() for p in recipe.split(","))):
        key, equals, value = part.partition("=")
        key = key.strip()
        if key not in defaults or not equals:
            known = ", ".join(f"{k}={v}" for k, v in defaults.items())
            raise GrounderError(f"The recipe of {name!r} takes {known or 'nothing'}; not {part!r}.")
        told[key] = _value(name, key, value.strip(), defaults[key])
    return told


def _value(name: str, key: str, value: str, default: Any) -> Any:
    try:
        read = type(default)(value)
    except ValueError:
        read = math.nan
    if isinstance(read, float) and not math.isfinite(read):
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise GrounderError(f"In the recipe of {name!r}, {key} must be {kind}, not {value!r}.")
    return read
