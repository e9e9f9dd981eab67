"""What a grounder or segmenter declares about itself, for `foveate grounders` and for its error messages.

Imports nothing heavy: a card is read to list what there is, long before anything is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Kind = Literal["grounder", "combination", "segmenter"]


@dataclass(frozen=True)
class Card:
    """`line` says what it is; `licence` and `size` are of the usual checkpoints; `boxes` is the coordinate
    convention in which the model itself writes, before the adapter maps it to the view.

    `usual`: hub ids of the usual checkpoints. `embedded`: the folder in pocket/weights, for what ships with
    Foveate. `needs`: importable packages beyond the base installation, `install` how to get them where that
    is not by their names. `example`: what stands after the name where that is not @MODEL.
    """

    line: str
    licence: str
    size: str
    boxes: str
    usual: tuple[str, ...] = ()
    embedded: str = ""
    needs: tuple[str, ...] = ()
    kind: Kind = "grounder"
    example: str = "@MODEL"
    install: str = ""

    def missing(self) -> tuple[str, ...]:
        """Packages that it needs and that are not installed."""
        return tuple(name for name in self.needs if find_spec(name) is None)

    def how(self) -> str:
        """What to type to install what it needs; "" where nothing is missing."""
        missing = self.missing()
        return (self.install or f"pip install {' '.join(missing)}") if missing else ""

    def local(self) -> tuple[str, ...]:
        """Which of its usual weights are on this machine: embedded ones and those in the hub's cache."""
        from huggingface_hub import try_to_load_from_cache

        cached = [n for n in self.usual if isinstance(try_to_load_from_cache(n, "config.json"), str)]
        embedded = bool(self.embedded) and any(embedded_weights(self.embedded).glob("**/*.safetensors"))
        return ("embedded",) * embedded + tuple(cached)

    def as_grounder(self, example: str) -> Card:
        """The card of a segmenter whose masks are read as regions."""
        return replace(self, kind="grounder", example=example)

    def needs_weights(self) -> bool:
        """False for what is made of other grounders."""
        return self.kind != "combination"


def embedded_weights(name: str) -> Path:
    """Where embedded weights of that name are, or would be."""
    return Path(__file__).resolve().parents[2] / "pocket" / "weights" / name
