"""The tool `compare`: what is different between two slices of one patient, as regions on both.

Registration (SimpleITK), then a blurred difference judged against noise and misregistration. Linear
registration only: what deformed since then (breath, posture) shows as a difference, and is told as one.
"""

from __future__ import annotations

from typing import Any

from foveate.tools.arguments import about
from foveate.tools.context import ToolArtifact, ToolContext
from foveate.tools.evidence import Evidence
from foveate.tools.imaging.frames import BoxError
from foveate.tools.multi.difference import Change, changes
from foveate.tools.multi.pairs import Pair, aligned, carried, pair_of, scored, transform_facts
from foveate.tools.multi.planes import warped
from foveate.tools.multi.registration import Alignment, Model


def compare(
    ctx: ToolContext, view: str | None = None, other: str | None = None, align: Model = "rigid"
) -> ToolArtifact:
    """Changes from `other` (the earlier one) to `view`, strongest first: a region on each, where both show
    it."""
    pair = pair_of(ctx, view, other)
    fixed, moving, found = aligned(pair, align)
    moved = not found.still
    older = warped(moving.pixels, found.affine, fixed.size) if moved else moving.pixels
    evidence: list[Evidence] = []
    told: list[dict[str, Any]] = []
    for change in changes(fixed.pixels, older, moved):
        regions = _regions(pair, found, change)
        if not regions or len(told) == ctx.limits.max_regions:
            continue
        told.append(_told(change, pair, len(evidence), len(regions)))
        evidence += regions
    facts = {"tool": "compare", **transform_facts(pair, found), "changes": told}
    return ToolArtifact(evidence=tuple(evidence), facts=facts)


def _regions(pair: Pair, found: Alignment, change: Change) -> list[Evidence]:
    """On the newer view and, where it shows the place, on the older; none where the newer shows nothing."""
    newer, older = pair.views
    try:
        box = newer.frame.from_source(newer.frame.source.box(*change.corners))
    except BoxError:
        return []
    there = carried(newer.frame.to_source(box), found.affine, older)
    places = [(box, change.direction), (there, "before")]
    return [
        scored(
            place, pair.views[i], pair.images[i], label=about("compare", word), tool="compare",
            name=(pair.newer, pair.older)[i], score=change.strength,
        )
        for i, (place, word) in enumerate(places)
        if place is not None
    ]  # fmt: skip


def _told(change: Change, pair: Pair, first: int, count: int) -> dict[str, Any]:
    """`regions`: places in the list of regions, of this change on the newer view and on the older."""
    return {
        "direction": change.direction,
        "mean": round(change.mean, 1),
        "unit": pair.images[0].intensity_unit,
        "strength": round(change.strength, 2),
        "regions": list(range(first, first + count)),
    }
