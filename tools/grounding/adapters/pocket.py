"""The embedded locator as a grounder: "pocket[@FOLDER]"."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from foveate.tools.grounding.card import Card, embedded_weights
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.protocol import Grounder

CARD = Card(
    line="small dense image-text model trained on CT, embedded; similarity map on a fixed scale",
    licence="Apache-2.0",
    size="3 M",
    boxes="components of a map of 2 mm, in source pixels",
    embedded="locator",
    example="[@FOLDER]",
)
VARIABLE = "FOVEATE_LOCATOR"


def load(recipe: str, model: str) -> Grounder:
    """The locator in a folder, by default the embedded one. Raises GrounderError."""
    if recipe:
        raise GrounderError(f"The grounder 'pocket' has no recipe {recipe!r}; leave the recipe out.")
    folder = Path(model or os.environ.get(VARIABLE) or embedded_weights("locator"))
    if not (folder / "model.safetensors").exists() or not (folder / "config.json").exists():
        raise GrounderError(
            f"The pocket locator has no weights in {folder.name!r}: train them with"
            " `python -m foveate.pocket.locator.train`, or name a folder as pocket@FOLDER."
        )
    return _loaded(str(folder.resolve()), (folder / "model.safetensors").stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _loaded(folder: str, _changed: int) -> Grounder:
    from foveate.tools.grounding.locator import PocketLocator

    return PocketLocator(Path(folder))
