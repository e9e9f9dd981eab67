"""Grounders by name: "pocket[@FOLDER]", "diffusion[:RECIPE][@MODEL]". Loads what is asked for, and nothing at
import.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from foveate.tools.grounding.errors import GrounderError as GrounderError
from foveate.tools.grounding.protocol import Grounder

GROUNDERS = {
    "pocket": "small dense image-text model trained on CT, embedded; similarity map on a fixed scale",
    "diffusion": "cross-attention of a text-conditioned diffusion model; a relative map: where, not whether",
}
WEIGHTS_VARIABLE = "FOVEATE_LOCATOR"
DIFFUSION_VARIABLE = "FOVEATE_DIFFUSION"


def available() -> dict[str, str]:
    """Name → one line, of every grounder that can be asked for."""
    from foveate.tools.grounding.diffusion.recipes import recipe_names

    recipes = "; recipes: " + ", ".join(recipe_names())
    return {name: line + (recipes if name == "diffusion" else "") for name, line in GROUNDERS.items()}


def load_grounder(spec: str) -> Grounder:
    """The grounder of that name; "NAME@MODEL" reads other weights. Raises GrounderError."""
    name, _, model = spec.partition("@")
    name, _, recipe = name.partition(":")
    if name not in GROUNDERS:
        raise GrounderError(f"There is no grounder {name!r}; there are: {', '.join(GROUNDERS)}.")
    if name == "diffusion":
        return _diffusion(recipe, model)
    if recipe:
        raise GrounderError(f"The grounder {name!r} has no recipe {recipe!r}; leave the recipe out.")
    folder = Path(model or os.environ.get(WEIGHTS_VARIABLE) or default_weights())
    if not (folder / "model.safetensors").exists() or not (folder / "config.json").exists():
        raise GrounderError(
            f"The pocket locator has no weights in {folder.name!r}: train them with"
            " `python -m foveate.pocket.locator.train`, or name a folder as pocket@FOLDER."
        )
    return _pocket(str(folder.resolve()), (folder / "model.safetensors").stat().st_mtime_ns)


def default_weights(name: str = "locator") -> Path:
    """Where embedded weights are."""
    return Path(__file__).resolve().parents[2] / "pocket" / "weights" / name


@lru_cache(maxsize=2)
def _pocket(folder: str, _changed: int) -> Grounder:
    from foveate.tools.grounding.locator import PocketLocator

    return PocketLocator(Path(folder))


def _diffusion(recipe_name: str, model: str) -> Grounder:
    from dataclasses import replace

    from foveate.tools.grounding.diffusion.recipes import DEFAULT, load_recipe

    recipe = load_recipe(recipe_name or DEFAULT)
    where = model or os.environ.get(DIFFUSION_VARIABLE) or str(default_weights("diffusion"))
    if not model and not (Path(where) / "unet").is_dir():
        raise GrounderError(
            f"pocket-diffusion has no weights in {Path(where).name!r}: train them with"
            " `python -m foveate.pocket.diffusion.train`, or name a model as diffusion@MODEL."
        )
    from foveate.tools.grounding.diffusion.grounder import DiffusionGrounder, model_folder
    from foveate.tools.grounding.diffusion.load import load_denoiser
    from foveate.tools.grounding.diffusion.presence import load_calibration

    calibration = load_calibration(model_folder(where), recipe.name) if recipe.method == "fast" else None
    recipe = recipe if calibration is None else replace(recipe, presence=True)
    return DiffusionGrounder(load_denoiser(where), recipe, calibration)
