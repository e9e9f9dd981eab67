"""The structures that the pocket models can name, and the TotalSegmentator labels that make them up.

The words are those of `prompts/pocket/structures.json`, which pocket/ reads too; pocket/ itself is not
imported: evaluation reaches its models by path only, as it does any other. Knows no pixels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache

from foveate import prompts


@cache
def single_structures() -> dict[str, frozenset[str]]:
    """Display name → merged parts, of the structures that one box answers; pairs and lesions are not."""
    found: dict[str, frozenset[str]] = {}
    for entry in json.loads(prompts.text("pocket/structures.json"))["structures"]:
        if entry["kind"] == "several":
            continue
        for side in ("left", "right") if entry.get("sided") else ("",):
            name = f"{side} {entry['name']}".strip()
            found[name] = frozenset(f"{part}_{side}" if side else part for part in entry["parts"])
    return found


def merged(label_name: str) -> str:
    """Single vertebrae and ribs are one part each: nobody could name them on a slice."""
    if re.fullmatch(r"vertebrae_\w+", label_name):
        return "vertebra"
    return "ribs" if re.fullmatch(r"rib_(left|right)_\d+", label_name) else label_name


def label_numbers(names: Mapping[int, str]) -> dict[str, list[int]]:
    """Display name → label numbers of a map with these names; structures that it lacks are left out."""
    parts = {number: merged(name) for number, name in names.items()}
    held = {
        name: [number for number, part in parts.items() if part in wanted]
        for name, wanted in single_structures().items()
    }
    return {name: numbers for name, numbers in held.items() if numbers}
