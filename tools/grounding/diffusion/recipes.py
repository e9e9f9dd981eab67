"""A recipe is data: which steps, layers and tokens are read, how they are merged, what becomes of the map.

Knows no model and computes nothing. The recipes that ship are in recipes.toml.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from foveate.tools.grounding.diffusion.schedule import Spacing
from foveate.tools.grounding.errors import GrounderError

DEFAULT = "fast"


@dataclass(frozen=True)
class Recipe:
    """One way to ground with a diffusion model. `dataclasses.replace` makes variants.

    Picture: `fit` "crop" (shorter side, centre crop; the margin gets 0) or "letterbox" (whole view).
    Text: `template` holds the phrase; `tokens` "all" between the ends or "content"; `subtokens` all or the
    first of a word; location words count "same" as content words, "apart" (their mean, times
    `location_weight`, beside the content's mean) or are "dropped".
    Layers: `layers` are numbers in order of computation, for UNets with `layers_of` of them; another UNet is
    read where the latent grid was halved `halvings` times. `sides`, if given, picks by grid side instead.
    "ldm", "g2g": `steps`, `spacing`, `window` (shares of `steps`, from the first in the order of the run),
    `guidance`; `share` runs one trajectory for all phrases and stops after the window (same maps, less work).
    `merge` is Bimodal Bias Merging.
    "fast": `latents` noised latents at `times` (shares of T; one after the other, a pair shares its time),
    `antithetic` pairs; `queries` "own" (each phrase has its own pass) or "shared" (all phrases are read at
    the queries of one pass without text); `normalise` each layer's map by its "mean" or "minmax" or "none";
    `contrast` phrases' mean map times `contrast_weight` is taken off; `propagate` (grid side, times) with
    self-attention, `propagate_mix` of it; `difference` mixes in the change of predicted noise, "magnitude"
    |ε_c − ε_∅| or "gain" (how much nearer to the true noise), by `difference_weight` in 0…1; `fuse`
    layers by their "mean" or geometric mean, "product"; the map is raised to `power`;
    `prior_weight` is the power of the location prior.
    Map: `blur` in pixels of a 512 px map; `mask` "otsu" zeroes what is below.
    Regions: `cut` "fixed" at `level`, "otsu" or "gmm"; at most `most`, none lighter than `least` times the
    first. `presence` asks for a presence score ("fast" alone): from the predicted "noise" (more passes)
    or from the "attention" that is read anyway. `batch` rows at once; `seed` of every noise.
    """

    name: str
    method: Literal["ldm", "g2g", "fast"]
    fit: Literal["crop", "letterbox"] = "crop"
    template: str = "{phrase}"
    tokens: Literal["all", "content"] = "content"
    subtokens: Literal["all", "first"] = "all"
    location: Literal["same", "apart", "dropped"] = "same"
    location_weight: float = 1.0
    layers: tuple[int, ...] = ()
    layers_of: int = 0
    halvings: tuple[int, ...] = ()
    sides: tuple[int, ...] = ()
    steps: int = 50
    spacing: Spacing = "leading"
    window: tuple[float, float] = (0.0, 1.0)
    guidance: float = 0.0
    share: bool = True
    merge: bool = False
    latents: int = 4
    times: tuple[float, ...] = (0.3, 0.5)
    antithetic: bool = True
    queries: Literal["own", "shared"] = "own"
    normalise: Literal["mean", "minmax", "none"] = "mean"
    fuse: Literal["mean", "product"] = "mean"
    power: float = 1.0
    contrast: tuple[str, ...] = ()
    contrast_weight: float = 0.0
    propagate: tuple[tuple[int, int], ...] = ()
    propagate_mix: float = 1.0
    difference: Literal["none", "magnitude", "gain"] = "none"
    difference_weight: float = 0.0
    prior_weight: float = 0.0
    blur: float = 0.0
    mask: Literal["none", "otsu"] = "none"
    cut: Literal["fixed", "otsu", "gmm"] = "otsu"
    level: float = 0.5
    most: int = 3
    least: float = 0.2
    presence: Literal["none", "noise", "attention"] = "none"
    batch: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if "{phrase}" not in self.template:
            raise GrounderError(f"The recipe {self.name!r} has a template without {{phrase}}.")
        if self.method == "fast" and (self.latents < 1 or (self.antithetic and self.latents % 2)):
            raise GrounderError(f"The recipe {self.name!r} needs pairs: an even number of latents above 0.")
        if not 0 <= self.window[0] < self.window[1] <= 1:
            raise GrounderError(f"The recipe {self.name!r} has a window that is not a part of 0 to 1.")


def recipe_names() -> tuple[str, ...]:
    """The recipes that ship."""
    return tuple(_table())


def load_recipe(name: str = DEFAULT) -> Recipe:
    """A shipped recipe. Raises GrounderError for another name."""
    if name not in _table():
        raise GrounderError(f"There is no recipe {name!r}; there are: {', '.join(_table())}.")
    return make_recipe(name, _table()[name])


def make_recipe(name: str, told: dict[str, Any]) -> Recipe:
    """A recipe from its TOML table; `like` names one to start from."""
    told = dict(told)
    like = told.pop("like", None)
    known = {field.name for field in fields(Recipe)}
    unknown = set(told) - known
    if unknown:
        raise GrounderError(f"The recipe {name!r} has unknown settings: {', '.join(sorted(unknown))}.")
    values = {key: _frozen(value) for key, value in told.items()}
    return Recipe(name=name, **values) if like is None else replace(load_recipe(like), name=name, **values)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads((Path(__file__).parent / "recipes.toml").read_text())
