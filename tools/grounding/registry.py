"""Grounders and segmenters by name: "NAME[:RECIPE][@MODEL]", or "NAME[:RECIPE](PART+PART)" for one made of
others, such as "fuse(pocket+diffusion)". To add one: one file with a `CARD` and a `load`, and one line here.

Loads what is asked for, and nothing at import. Another distribution adds its own by an entry point of the
group "foveate.grounders" or "foveate.segmenters" whose value is such a module (so does the agent, which tools
must not import).
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.card import embedded_weights as embedded_weights
from foveate.tools.grounding.errors import GrounderError as GrounderError
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.grounding.segmenters.protocol import Segmenter

_HERE = "foveate.tools.grounding"
GROUNDERS = {
    "pocket": f"{_HERE}.adapters.pocket",
    "diffusion": f"{_HERE}.adapters.diffusion",
    "grounding-dino": f"{_HERE}.adapters.grounding_dino",
    "owlv2": f"{_HERE}.adapters.owlv2",
    "florence2": f"{_HERE}.adapters.florence2",
    "detr": f"{_HERE}.adapters.detr",
    "torchvision": f"{_HERE}.adapters.torchvision",
    "clip": f"{_HERE}.adapters.clip",
    "biovil": f"{_HERE}.adapters.biovil",
    "radzero": f"{_HERE}.adapters.radzero",
    "conceptclip": f"{_HERE}.adapters.conceptclip",
    "clipseg": f"{_HERE}.adapters.clipseg",
    "masks": f"{_HERE}.adapters.masks",
    "fuse": f"{_HERE}.adapters.fuse",
    "score": f"{_HERE}.adapters.score",
    "agree": f"{_HERE}.adapters.agree",
    "tighten": f"{_HERE}.adapters.tighten",
    "sure": f"{_HERE}.adapters.sure",
}
SEGMENTERS = {
    "sam": f"{_HERE}.segmenters.sam",
    "sam2": f"{_HERE}.segmenters.sam2",
    "sam-med2d": f"{_HERE}.segmenters.sam_med2d",
    "clipseg": f"{_HERE}.segmenters.clipseg",
}


def grounder_modules() -> dict[str, str]:
    """Name → module of every grounder, those of other distributions last."""
    return _others("foveate.grounders", GROUNDERS)


def segmenter_modules() -> dict[str, str]:
    """Name → module of every segmenter, those of other distributions last."""
    return _others("foveate.segmenters", SEGMENTERS)


def _others(group: str, own: dict[str, str]) -> dict[str, str]:
    return own | {name: where for name, where in _entry_points(group).items() if name not in own}


@cache
def _entry_points(group: str) -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=group)}


def cards() -> dict[str, Card]:
    """The card of every grounder; nothing is loaded."""
    return {name: import_module(module).CARD for name, module in grounder_modules().items()}


def segmenter_cards() -> dict[str, Card]:
    """The card of every segmenter; nothing is loaded."""
    return {name: import_module(module).CARD for name, module in segmenter_modules().items()}


def load_grounder(spec: str) -> Grounder:
    """The grounder of a specification. Raises GrounderError."""
    grounder: Grounder = _load(spec, grounder_modules(), "grounder")
    return grounder


def load_segmenter(spec: str) -> Segmenter:
    """The segmenter of a specification. Raises GrounderError."""
    segmenter: Segmenter = _load(spec, segmenter_modules(), "segmenter")
    return segmenter


def _load(spec: str, modules: dict[str, str], what: str) -> Any:
    name, recipe, model = split_spec(spec)
    if name not in modules:
        raise GrounderError(f"There is no {what} {name!r}; there are: {', '.join(modules)}.")
    module = import_module(modules[name])
    missing = module.CARD.missing()
    if missing:
        needed = " and ".join(missing)
        raise GrounderError(
            f"The {what} {name!r} needs {needed}, which is not installed: {module.CARD.how()}."
        )
    if module.CARD.kind == "combination" and not spec.rstrip().endswith(")"):
        raise GrounderError(f"The grounder {name!r} is made of others; write {name}{module.CARD.example}.")
    return module.load(recipe, model)


def split_spec(spec: str) -> tuple[str, str, str]:
    """(name, recipe, model); for one made of others the third is what stands in its parentheses."""
    spec = spec.strip()
    head, bracket, rest = spec.partition("(")
    if bracket and "@" not in head:
        if not rest.endswith(")"):
            raise GrounderError(f"The grounder {spec!r} has no closing parenthesis at its end.")
        head, model = head, rest[:-1]
    else:
        head, _, model = spec.partition("@")
    name, _, recipe = head.partition(":")
    return name.strip(), recipe.strip(), model.strip()
