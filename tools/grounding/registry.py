"""Grounders by name: "pocket", later "NAME[:RECIPE][@MODEL]". Loads what is asked for, and nothing at
import.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from foveate.tools.grounding.protocol import Grounder

GROUNDERS = {
    "pocket": "small dense image-text model trained on CT, embedded; similarity map on a fixed scale"
}
WEIGHTS_VARIABLE = "FOVEATE_LOCATOR"


class GrounderError(ValueError):
    """A grounder that is not known or cannot be loaded; one sentence."""


def available() -> dict[str, str]:
    """Name → one line, of every grounder that can be asked for."""
    return dict(GROUNDERS)


def load_grounder(spec: str) -> Grounder:
    """The grounder of that name; "pocket@FOLDER" reads other weights. Raises GrounderError."""
    name, _, model = spec.partition("@")
    name, _, recipe = name.partition(":")
    if name not in GROUNDERS:
        raise GrounderError(f"There is no grounder {name!r}; there are: {', '.join(GROUNDERS)}.")
    if recipe:
        raise GrounderError(f"The grounder {name!r} has no recipe {recipe!r}; leave the recipe out.")
    folder = Path(model or os.environ.get(WEIGHTS_VARIABLE) or default_weights())
    if not (folder / "model.safetensors").exists() or not (folder / "config.json").exists():
        raise GrounderError(
            f"The pocket locator has no weights in {folder.name!r}: train them with"
            " `python -m foveate.pocket.locator.train`, or name a folder as pocket@FOLDER."
        )
    return _pocket(str(folder.resolve()), (folder / "model.safetensors").stat().st_mtime_ns)


def default_weights() -> Path:
    """Where the embedded weights are."""
    return Path(__file__).resolve().parents[2] / "pocket" / "weights" / "locator"


@lru_cache(maxsize=2)
def _pocket(folder: str, _changed: int) -> Grounder:
    from foveate.tools.grounding.locator import PocketLocator

    return PocketLocator(Path(folder))
