"""mis-ground's items and questions: which two structures of a volume are compared, and in which forms.

Re-creates MIS-Ground's controlled factors (arXiv 2603.14579; its own templates are not published). An item is
a fact computed from masks: along one axis, A lies before B. It is asked in every cell of the factors, each
time twice, A against B and B against A: exactly one of the two is true, so a guess is right half of the time
and consistent a quarter of it. Deterministic by seed. Knows no words and no pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal
from zlib import crc32

import numpy as np

from foveate.evals.tasks.labelled import LabelledVolume
from foveate.evals.tasks.spatial import PLANES, Convention, Extent, before, extents, larger

Kind = Literal["direction", "picture", "area", "across"]
Mark = Literal["none", "mask", "box", "point", "letter"]
Terms = Literal["anatomical", "colloquial"]
Control = Literal["", "blank", "text"]
KINDS: tuple[Kind, ...] = ("direction", "picture", "area", "across")
THROUGH = 2
"""The axis that runs through the slices; 0 and 1 are the viewed slice's horizontal and vertical axis."""


@dataclass(frozen=True)
class Factors:
    """The levels that are crossed; `controls` are asked once an item, in the first level of each factor."""

    conventions: tuple[Convention, ...] = ("viewing", "storage")
    marks: tuple[Mark, ...] = ("none", "mask", "box", "point", "letter")
    terms: tuple[Terms, ...] = ("anatomical", "colloquial")
    controls: tuple[Control, ...] = ("blank", "text")


@dataclass(frozen=True)
class Item:
    """Label `a` (on the first slice) and `b` (on the last) of one plane, compared along `axis`.

    `a_first`: A lies at the smaller coordinates, on the earlier slice, or is the smaller one. `toward` is the
    end that is asked for: 0 the small one, 1 the large one.
    """

    volume: str
    kind: Kind
    plane: str
    slices: tuple[int, ...]
    a: int
    b: int
    axis: int
    a_first: bool
    toward: int

    @property
    def id(self) -> str:
        where = "-".join(str(index) for index in self.slices)
        return f"{self.volume}/{self.kind}/{self.plane}-{where}/{self.a}-{self.b}/{self.axis}"


@dataclass(frozen=True)
class Question:
    """One form of an item; `swapped` asks B against A."""

    item: Item
    convention: Convention
    mark: Mark
    terms: Terms
    swapped: bool
    control: Control = ""

    @property
    def truth(self) -> bool:
        """Whether yes is right."""
        return (self.item.a_first == (self.item.toward == 0)) != self.swapped

    @property
    def pair(self) -> str:
        """What the two forms of one cell share."""
        cell = (self.convention, self.mark, self.terms, self.control)
        return f"{self.item.id}/{'-'.join(level for level in cell if level)}"

    @property
    def id(self) -> str:
        return f"{self.pair}/{'ba' if self.swapped else 'ab'}"


def questions(
    volumes: Sequence[LabelledVolume], seed: int, per_kind: int = 4, factors: Factors | None = None
) -> list[Question]:
    """All questions, pairs side by side, in an order of which any even number from the start is balanced.

    The first round asks every item in one cell, the next in another, so that a short run sees many items.
    """
    rng = np.random.default_rng(seed)
    items = [item for volume in volumes for item in volume_items(volume, seed, per_kind)]
    orders = [list(rng.permutation(np.array(_cells(factors or Factors()), dtype=object))) for _ in items]
    asked: list[Question] = []
    for turn in range(len(orders[0]) if orders else 0):
        for index in rng.permutation(len(items)):
            convention, mark, terms, control = orders[index][turn]
            first = bool(rng.integers(2))
            for swapped in (first, not first):
                asked.append(Question(items[index], convention, mark, terms, swapped, control))
    return asked


def _cells(factors: Factors) -> list[tuple[str, str, str, str]]:
    crossed = [(*cell, "") for cell in product(factors.conventions, factors.marks, factors.terms)]
    plain = (factors.conventions[0], factors.marks[0], factors.terms[0])
    return [*crossed, *((*plain, control) for control in factors.controls)]


def volume_items(volume: LabelledVolume, seed: int, per_kind: int) -> list[Item]:
    """Up to `per_kind` items of each kind and plane, drawn by seed and the volume's name."""
    rng = np.random.default_rng([seed, crc32(volume.name.encode())])
    items: list[Item] = []
    for plane in _shown_planes(volume):
        shown = _shown_slices(rng, volume, plane, 3 * per_kind)
        for kind in KINDS:
            if kind == "across":
                found = list(_across(volume, plane, _slice_pairs(rng, volume, plane, shown, 2 * per_kind)))
            else:
                found = list(_within(volume, plane, shown, kind))
            drawn = rng.permutation(len(found))[:per_kind]
            items += [_placed(rng, volume.name, kind, plane, *found[k]) for k in drawn]
    return items


Fact = tuple[tuple[int, ...], int, int, int, bool]
"""Slices, label of A, label of B, axis, whether A comes first."""
Shown = list[tuple[int, list[Extent]]]


def _placed(
    rng: np.random.Generator, volume: str, kind: Kind, plane: str, slices: tuple[int, ...], a: int, b: int,
    axis: int, a_first: bool,
) -> Item:  # fmt: skip
    if rng.integers(2) and kind != "across":  # which of the two is called A says nothing
        a, b, a_first = b, a, not a_first
    return Item(volume, kind, plane, slices, a, b, axis, a_first, int(rng.integers(2)))


def _shown_planes(volume: LabelledVolume) -> list[str]:
    """The planes that are worth a picture: a stack of few slices is a sliver in the other two."""
    spacing = volume.image.spacing_mm or (1.0, 1.0, 1.0)
    extent = [size * step for size, step in zip(volume.image.pixels.shape, spacing, strict=False)]
    sides = {"axial": (1, 2), "coronal": (0, 2), "sagittal": (0, 1)}
    return [p for p, (i, j) in sides.items() if min(extent[i], extent[j]) >= max(extent[i], extent[j]) / 4]


def _shown_slices(rng: np.random.Generator, volume: LabelledVolume, plane: str, count: int) -> Shown:
    """Up to `count` slices with two structures or more, in order."""
    found: Shown = []
    for index in rng.permutation(volume.image.slice_count(plane)):
        here = extents(volume.slice_labels(plane, int(index)), volume.names)
        if len(here) > 1:
            found.append((int(index), here))
        if len(found) == count:
            break
    return sorted(found, key=lambda pair: pair[0])


def _within(volume: LabelledVolume, plane: str, shown: Shown, kind: Kind) -> Iterator[Fact]:
    for index, here in shown:
        for one, other in combinations(here, 2):
            if kind == "area":
                more = larger(one, other)
                if more is not None:
                    yield (index,), one.label, other.label, 0, not more
                continue
            for axis in (0, 1):
                first = before(one, other, axis, _gap(volume, plane, axis))
                if first is not None:
                    yield (index,), one.label, other.label, axis, first


def _slice_pairs(
    rng: np.random.Generator, volume: LabelledVolume, plane: str, shown: Shown, count: int
) -> list[tuple[Shown, Shown]]:
    """Up to `count` pairs of slices that lie a clear distance apart, in either order."""
    least = _gap(volume, plane, THROUGH)
    apart = [([one], [other]) for one, other in product(shown, shown) if abs(one[0] - other[0]) >= least]
    return [apart[k] for k in rng.permutation(len(apart))[:count]]


def _across(volume: LabelledVolume, plane: str, pairs: list[tuple[Shown, Shown]]) -> Iterator[Fact]:
    """A on one slice, B on another: along the slice's axes, and through the slices."""
    for [(i, here)], [(j, there)] in pairs:
        for one, other in product(here, there):
            if one.label == other.label:
                continue
            yield (i, j), one.label, other.label, THROUGH, i < j
            for axis in (0, 1):
                first = before(one, other, axis, _gap(volume, plane, axis))
                if first is not None:
                    yield (i, j), one.label, other.label, axis, first


def _gap(volume: LabelledVolume, plane: str, axis: int, millimetres: float = 10.0) -> float:
    """Ten millimetres in pixels of an axis of that plane, or in slices."""
    spacing = volume.image.spacing_mm or (1.0, 1.0, 1.0)
    if axis == THROUGH:
        return millimetres / spacing[PLANES.index(plane)]
    row_mm, col_mm = volume.image.plane_spacing(plane) or (1.0, 1.0)
    return millimetres / (col_mm if axis == 0 else row_mm)
