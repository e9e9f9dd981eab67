"""The names: which anatomical structures there are, how people call them, and what becomes of left and right.

Atomic parts are the merged TotalSegmentator names (single vertebrae and ribs merged, sides kept apart); a
`Structure` is one thing that a person could name on a slice and covers one or more parts. The words live in
`prompts/pocket/structures.json` and `distractors.json`. Knows nothing of pixels.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Literal

import numpy as np

Side = Literal["left", "right", "both", "none"]
Kind = Literal["one", "union", "several"]
LESION = "lung nodule"
# Unpaired parts with a side in their name: the left lung has no middle lobe, the appendage is part of
# the heart.
_MIRRORED_ALONE = {
    "lung_middle_lobe_right": "lung_upper_lobe_left",
    "atrial_appendage_left": "atrial_appendage_left",
}


@dataclass(frozen=True)
class Structure:
    """One nameable thing. `kind`: "one" box, "union" box round many parts, or "several" boxes."""

    name: str
    parts: tuple[str, ...]
    side: Side
    kind: Kind
    nouns: tuple[str, ...]

    def phrases(self) -> tuple[str, ...]:
        """Every wording without carrier phrases, the display name first."""
        wordings = [t.format(n=noun) for noun in self.nouns for t in _words()["templates"][self.side]]
        return tuple(dict.fromkeys([self.name, *wordings]))


def merged_name(raw: str) -> str | None:
    """TotalSegmentator's name → the merged part's name; None for what no person could name reliably."""
    if re.fullmatch(r"vertebrae_\w+", raw):
        return "vertebra"
    if re.fullmatch(r"rib_(left|right)_\d+", raw):
        return "ribs"
    return None if raw.startswith(("kidney_cyst", "carpal")) else raw


def mirror(name: str) -> str:
    """The name after the image was mirrored: left and right swap, in parts and in phrases."""
    swap = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
    return re.sub(r"(?<![A-Za-z])(left|right|Left|Right)(?![A-Za-z])", lambda m: swap[m[0]], name)


@cache
def _words() -> dict[str, Any]:
    text = (resources.files("foveate.prompts") / "pocket" / "structures.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def distractors() -> dict[str, list[str]]:
    """Words and templates for phrases that name nothing the locator knows."""
    text = (resources.files("foveate.prompts") / "pocket" / "distractors.json").read_text(encoding="utf-8")
    loaded: dict[str, list[str]] = json.loads(text)
    return loaded


def _expand(entry: dict[str, Any]) -> list[Structure]:
    nouns = tuple(entry["nouns"])
    plain = Structure(entry["name"], tuple(entry["parts"]), "none", entry["kind"], nouns)
    if not entry.get("sided"):
        return [plain]
    sides: list[Side] = ["left", "right"]
    out = [
        replace(plain, name=f"{s} {plain.name}", side=s, parts=tuple(f"{p}_{s}" for p in plain.parts))
        for s in sides
    ]
    both = tuple(p for s in out for p in s.parts)
    return [*out, Structure(entry["both"], both, "both", "several", tuple(entry["plurals"]))]


@cache
def structures() -> tuple[Structure, ...]:
    """All structures in a fixed order: sides apart, then their pairs."""
    return tuple(s for entry in _words()["structures"] for s in _expand(entry))


@cache
def parts() -> tuple[str, ...]:
    """All atomic parts in label order: label i+1 is part i, 0 is background."""
    return tuple(dict.fromkeys(p for s in structures() for p in s.parts))


def part_ids(structure: Structure) -> list[int]:
    """The label values that make up a structure."""
    return [parts().index(p) + 1 for p in structure.parts]


@cache
def mirrored_labels() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Lookup table of shape (number of labels,): label → label of the mirrored part."""
    names = parts()
    images = [_MIRRORED_ALONE.get(p, mirror(p)) for p in names]
    return np.array([0, *(names.index(p) + 1 for p in images)], dtype=np.uint8)


def structure(name: str) -> Structure:
    """The structure with this display name. Raises KeyError."""
    for item in structures():
        if item.name == name:
            return item
    raise KeyError(f"no structure is called {name!r}; see prompts/pocket/structures.json")


def random_phrase(rng: np.random.Generator, item: Structure) -> str:
    """One wording of a structure, at times inside a carrier phrase."""
    phrase = str(rng.choice(item.phrases())) if rng.random() < 0.8 else item.name
    return str(rng.choice(_words()["templates"]["any"])).format(p=phrase)


def random_distractor(rng: np.random.Generator) -> str:
    """A phrase for something that is on no image here: other organs, other things, or made-up words."""
    bank, roll = distractors(), rng.random()
    if roll < 0.45:
        phrase = str(rng.choice(bank["phrases"]))
        return str(rng.choice(_words()["templates"]["any"])).format(p=phrase)
    word = str(rng.choice(bank["words"])) if roll < 0.7 else _made_up(rng)
    return str(rng.choice(bank["templates"])).format(w=word, v=str(rng.choice(bank["words"])))


def _made_up(rng: np.random.Generator) -> str:
    if rng.random() < 0.3:
        letters = list(str(rng.choice(structures()[int(rng.integers(len(structures())))].name.split())))
        rng.shuffle(letters)
        return "".join(letters)
    pairs = [
        str(rng.choice(list("bcdfgklmnprstvz"))) + str(rng.choice(list("aeiou")))
        for _ in range(rng.integers(2, 5))
    ]
    return "".join(pairs)
