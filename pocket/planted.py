"""True and false claims about labelled slices, planted into answers to see what the checks make of them.

The labels decide what is true and where the evidence is; a false claim has the wrong side, the wrong size,
the opposite relation, a structure that the slice does not show (on a box of its own place or of something
else), or one that it shows, on another's box. A loose box is a true claim's own, drawn badly. Knows no check.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foveate import prompts
from foveate.pocket.anatomy import mirror
from foveate.pocket.asked import box_of, single_structures
from foveate.pocket.data import load_patient
from foveate.pocket.scores import iou
from foveate.pocket.spatial import RELATIONS, SIDE_SHARE, holds

KINDS = ("structure", "side", "size", "relation", "box", "loose")
Corners = tuple[float, float, float, float]
APART = 0.05
"""Boxes that overlap less are of different things."""
TIMES = (0.4, 0.6, 1.6, 2.5)
"""What a false size is of the true one."""
LOOSE = 0.25
"""How far each edge of a loose box may be off, in sides of the box."""


@dataclass(frozen=True)
class Planted:
    """One claim with the boxes it cites, in source pixels. `kind`: what is false in it, if it is false."""

    patient: str
    slice_index: int
    kind: str
    text: str
    boxes: tuple[Corners, ...]
    true: bool


def planted(patient: str, slice_index: int, each: int = 4, kinds: Sequence[str] = KINDS) -> list[Planted]:
    """At most `each` true and `each` false claims of every kind about one slice."""
    rng = np.random.default_rng((ord(patient), slice_index))
    here = {s.name: box for s in single_structures() if (box := box_of(patient, slice_index, s.name))}
    made: list[Planted] = []
    makers = (_structures, _sides, _sizes, _relations, _boxes, _loose)
    for kind, maker in zip(KINDS, makers, strict=True):
        if kind not in kinds:
            continue
        drawn = list(maker(rng, patient, slice_index, here))
        for true in (True, False):
            fitting = [row for row in drawn if row[2] is true]
            for k in rng.permutation(len(fitting))[:each]:
                text, boxes, _ = fitting[int(k)]
                cited = tuple(tuple(float(edge) for edge in box) for box in boxes)
                made.append(Planted(patient, slice_index, kind, text, cited, true))  # type: ignore[arg-type]
    return made


Row = tuple[str, Sequence[Sequence[float]], bool]
Here = dict[str, tuple[int, int, int, int]]


def _worded(rng: np.random.Generator, kind: str, **fields: Any) -> str:
    templates: list[str] = json.loads(prompts.text("pocket/claims.json"))[kind]
    name = str(fields["a"])
    return str(rng.choice(templates)).format(A=name[0].upper() + name[1:], **fields)


def _structures(rng: np.random.Generator, patient: str, index: int, here: Here) -> Iterator[Row]:
    for name, box in here.items():
        yield _worded(rng, "present", a=name), [box], True
    for name in (s.name for s in single_structures() if s.name not in here):
        yield _worded(rng, "present", a=name), [_elsewhere(rng, patient, index, name, here)], False


def _elsewhere(rng: np.random.Generator, patient: str, index: int, name: str, here: Here) -> Sequence[float]:
    """Where the structure is on the next slice that shows it, else the box of something that is here."""
    count = load_patient(patient).hu.shape[0]
    near = sorted(range(count), key=lambda i: abs(i - index))[:60]
    found = (
        next((box for i in near if (box := box_of(patient, i, name))), None) if rng.random() < 0.5 else None
    )
    return found or here[str(rng.choice(list(here)))]


def _sides(rng: np.random.Generator, patient: str, index: int, here: Here) -> Iterator[Row]:
    width = int(load_patient(patient).hu.shape[2])
    for name, box in here.items():
        off = (box[0] + box[2]) / 2 / width - 0.5
        if abs(off) <= SIDE_SHARE:
            continue
        sides = ("left", "right") if off < 0 else ("right", "left")
        yield _worded(rng, "side", a=name, image=sides[0], patient=sides[1]), [box], True
        yield _worded(rng, "side", a=_bare(name), image=sides[1], patient=sides[0]), [box], False
        if mirror(name) != name:
            yield _worded(rng, "present", a=mirror(name)), [box], False


def _boxes(rng: np.random.Generator, patient: str, index: int, here: Here) -> Iterator[Row]:
    """What is here on the box of something else that is here."""
    for name, own in here.items():
        apart = [box for other, box in here.items() if other != name and iou(own, box) < APART]
        if apart:
            yield _worded(rng, "present", a=name), [apart[int(rng.integers(len(apart)))]], False


def _loose(rng: np.random.Generator, patient: str, index: int, here: Here) -> Iterator[Row]:
    """What is here on a box that somebody drew badly."""
    _, rows, columns = load_patient(patient).hu.shape
    for name, (x0, y0, x1, y1) in here.items():
        off = rng.uniform(-LOOSE, LOOSE, 4) * np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
        box = np.clip(np.array([x0, y0, x1, y1]) + off, 0, [columns, rows, columns, rows])
        yield _worded(rng, "present", a=name), [[float(edge) for edge in box]], True


def _bare(name: str) -> str:
    """The name without its own side, which would say that the claim is false."""
    return name.removeprefix("left ").removeprefix("right ")


def _sizes(rng: np.random.Generator, patient: str, index: int, here: Here) -> Iterator[Row]:
    _, row_mm, col_mm = load_patient(patient).spacing_mm
    for name, (x0, y0, x1, y1) in here.items():
        for true in (True, False):
            times = 1.0 if true else float(rng.choice(TIMES))
            w, h = (x1 - x0) * col_mm * times, (y1 - y0) * row_mm * times
            told = {"w": f"{w:.0f}", "h": f"{h:.0f}", "w_cm": f"{w / 10:.1f}", "h_cm": f"{h / 10:.1f}"}
            yield _worded(rng, "size", a=name, **told), [(x0, y0, x1, y1)], true


def _relations(rng: np.random.Generator, patient: str, index: int, here: Here) -> Iterator[Row]:
    for a in here:
        for b in here:
            for kind, words in RELATIONS.items() if a != b else ():
                truth = holds(kind, here[a], here[b])
                if truth is not None:
                    yield _worded(rng, "relation", a=a, b=b, relation=words), [here[a], here[b]], truth
