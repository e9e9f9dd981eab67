"""One claim before its witnesses, what is asked of which of its regions, and what a grounder made of one.

Knows no model, no grounder and no graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foveate.agent.answer import Claim
from foveate.tools.checks.geometry import pair_of
from foveate.tools.checks.said import read_claim
from foveate.tools.checks.subjects import subjects
from foveate.tools.evidence import Evidence
from foveate.tools.imaging.frames import Box
from foveate.tools.imaging.views import View

if TYPE_CHECKING:
    from foveate.agent.checks.node import Course

NAMING = ("ground", "refine")
"""Tools whose regions are called by what was looked for."""
Left = Callable[[], float]
"""Seconds that a further call may take."""


@dataclass(frozen=True)
class Found:
    """What the grounder made of a region: `score` and the `needed` one, and the IoU of what it found with
    the region (`overlap`, None where it marked nothing), against the least that counts (`least`, None for
    any)."""

    score: float
    needed: float
    overlap: float | None
    least: float | None

    @property
    def vote(self) -> str:
        if self.score < self.needed:
            return "missing"
        beside = self.least is not None and self.overlap is not None and self.overlap < self.least
        return "elsewhere" if beside else "found"

    def numbers(self) -> dict[str, float]:
        """For the reason why it speaks against a claim."""
        if self.vote == "missing":
            return {"score": self.score, "needed": self.needed}
        return {"score": self.score, "overlap": self.overlap or 0.0, "needed": self.least or 0.0}


@dataclass
class Case:
    """One claim before its witnesses: what each said (`votes`), and in words what is against it (`why`)."""

    n: int
    claim: Claim
    cited: Sequence[Evidence]
    views: Mapping[str, View]
    course: Course
    left: Left
    votes: dict[str, str] = field(default_factory=dict)
    why: list[str] = field(default_factory=list)

    def shown(self, opening: Sequence[View]) -> list[View]:
        """The views that show the claim: the opening ones, where its evidence lies on their slices, else
        those that it was seen in."""
        slices = {(view.image_id, view.plane, view.slice_index) for view in opening}
        if all((each.image, each.plane, each.slice) in slices for each in self.cited):
            return list(opening)
        names = dict.fromkeys(each.view for each in self.cited if each.view in self.views)
        return [self.views[name] for name in names] or list(opening)


def asked_of(claim: Claim, cited: Sequence[Evidence]) -> list[tuple[str, list[Evidence]]]:
    """Which phrase is to be found in which regions: the two sides of a relation each in its own."""
    things = subjects(claim.text, [each.label for each in cited])
    said = read_claim(claim.text)
    if said.relations and len(things) == 2:
        pair = pair_of(said.relations[0], cited)
        if pair is not None:
            return [(thing, [region]) for thing, region in zip(things, pair, strict=True)]
    if not things and len(named := {each.label for each in cited if each.tool in NAMING}) == 1:
        return [(named.pop(), list(cited))]  # "It measures 3 mm": of what the regions are called
    return [(thing, list(cited)) for thing in things[:1]]


def overlap_with(region: Box, found: Sequence[Box]) -> float | None:
    """The best IoU of a region with one of the boxes found in it, or with the box round them all (a pair of
    lungs); all in source pixels. None where nothing was found."""
    if not found:
        return None
    corners = list(zip(*(box.as_tuple() for box in found), strict=True))
    union = region.frame.box(min(corners[0]), min(corners[1]), max(corners[2]), max(corners[3]))
    return round(max(region.iou(box) for box in (*found, union)), 4)


def part_of(claim: Claim, region: Evidence, cited: Sequence[Evidence]) -> str:
    """What of a claim is to be seen in one of its regions."""
    for phrase, regions in asked_of(claim, cited):
        if any(each.id == region.id for each in regions):
            return phrase
    return claim.text
