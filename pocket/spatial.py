"""Spatial questions about patient C, made from the labels: how structures lie, which is larger, which side.

Half of the answers are yes. The labels stay here and never reach the agent. Knows no model and no decoding.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from foveate import prompts
from foveate.pocket.asked import box_of, labelled_in_c
from foveate.pocket.data import load_patient

RELATIONS = {
    "left_of": "left of",
    "right_of": "right of",
    "above": "above",
    "below": "below",
    "larger": "larger than",
}
SIDE_SHARE = 0.15
"""A structure is on a side when its centre is off the middle by that share of the width."""
LARGER = 1.3
EACH = 2
"""Questions of each kind on a slice, one with the answer yes and one with no."""


@dataclass(frozen=True)
class Spatial:
    """One question about one slice of patient C. `truth`: the relation holds; for `side`, image right.

    `tools`: whether the agent may use them, or has one look.
    """

    slice_index: int
    kind: str
    question: str
    a: str
    b: str
    truth: bool
    tools: bool = True

    def told(self) -> dict[str, Any]:
        return asdict(self)


def questions(seed: int = 0) -> list[Spatial]:
    """All questions, with tools and without, in an order in which any first part is a fair sample."""
    made = [item for index in range(load_patient("C").hu.shape[0]) for item in _of_slice(index, seed)]
    both = [Spatial(**{**item.told(), "tools": tools}) for item in made for tools in (True, False)]
    order = np.random.default_rng(seed).permutation(len(made))
    return [both[2 * int(k) + half] for k in order for half in (0, 1)]


def _of_slice(index: int, seed: int) -> Iterator[Spatial]:
    rng = np.random.default_rng((seed, index))
    here = {name: box for name in labelled_in_c() if (box := box_of("C", index, name))}
    wording: dict[str, list[str]] = json.loads(prompts.text("pocket/questions.json"))
    pairs = [(a, b) for a in here for b in here if a != b]
    for kind in RELATIONS:
        for truth in (True, False):
            fitting = [(a, b) for a, b in pairs if holds(kind, here[a], here[b]) is truth]
            for k in rng.permutation(len(fitting))[: EACH // 2]:
                a, b = fitting[int(k)]
                yield Spatial(index, kind, wording[kind][0].format(a=a, b=b), a, b, truth)
    width = int(load_patient("C").hu.shape[2])
    off = {name: (box[0] + box[2]) / 2 / width - 0.5 for name, box in here.items()}
    sided = [name for name, share in off.items() if abs(share) > SIDE_SHARE]
    for k in rng.permutation(len(sided))[:EACH]:
        name = sided[int(k)]
        yield Spatial(index, "side", wording["side"][0].format(a=name), name, "", off[name] > 0)


def holds(kind: str, a: Sequence[int], b: Sequence[int]) -> bool | None:
    """Whether the relation holds, None where it is open to dispute: boxes overlap, sizes are near."""
    if kind == "larger":
        ratio = (a[2] - a[0]) * (a[3] - a[1]) / ((b[2] - b[0]) * (b[3] - b[1]))
        return None if 1 / LARGER < ratio < LARGER else ratio > 1
    axis = 0 if kind in ("left_of", "right_of") else 1
    if a[axis + 2] > b[axis] and b[axis + 2] > a[axis]:
        return None
    before = a[axis] < b[axis]
    return before if kind in ("left_of", "above") else not before


def is_right(item: dict[str, Any], answer: str, claims: Sequence[dict[str, Any]]) -> bool:
    """Whether the answer says the relation that was asked for, or denies just that one; else it is wrong."""
    text = " ".join([answer, *(claim["text"] for claim in claims if claim["present"])])
    if item["kind"] == "side":
        right, left = "image right" in text, "image left" in text
        return right != left and right is bool(item["truth"])
    relation = RELATIONS[item["kind"]]
    said = {bool(denied) for denied in re.findall(rf"\bis (not )?{relation} the", text)}
    return said == {not item["truth"]}
