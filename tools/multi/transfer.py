"""The tool `transfer`: a region of one image carried to an image of another modality of the same patient.

Registration by mutual information, on the whole slices; the box goes through the same affine, and how far
the registration may be off is told with it. What is shown at the place is not looked at.
"""

from __future__ import annotations

import math

from foveate.tools.context import Corners, ToolArtifact, ToolContext, ToolError
from foveate.tools.imaging.frames import Affine2D
from foveate.tools.multi.pairs import aligned, carried, pointed, scored, transform_facts
from foveate.tools.multi.planes import Plane
from foveate.tools.multi.registration import Alignment, register

AGREES_ACROSS = 0.13
"""The least normalised mutual information of two slices of one region. Measured by
`foveate.evals.bench.transfer`: a slice and its made second modality have 0.15 and more, slices of two
patients 0.06 to 0.20."""


def transfer(
    ctx: ToolContext,
    region: str | None = None,
    box: Corners | None = None,
    view: str | None = None,
    other: str | None = None,
) -> ToolArtifact:
    """The region's place in `other`, with the uncertainty of the registration."""
    target, pair = pointed(ctx, region, box, view, other, across=True)
    fixed, moving, found = aligned(pair, "rigid", across=True)
    if found.agreement < AGREES_ACROSS:
        raise ToolError(
            f"{pair.newer} and {pair.older} share too little to be registered (mutual information "
            f"{found.agreement:.2f}); give slices of one and the same region"
        )
    shown = carried(target.view.frame.to_source(target.box), found.affine, pair.views[1])
    if shown is None:
        raise ToolError(f"the region lies outside what {pair.older} shows")
    spread = uncertainty(fixed, moving, found, target.box.to_source().center)
    made = scored(
        shown, pair.views[1], pair.images[1], label=target.label, tool="transfer", name=pair.older,
        score=found.agreement,
    )  # fmt: skip
    facts = {
        "tool": "transfer",
        "region": region,
        **transform_facts(pair, found),
        "uncertainty": round(spread, 1),
    }
    return ToolArtifact(evidence=(made,), facts=facts)


def uncertainty(fixed: Plane, moving: Plane, found: Alignment, place: tuple[float, float]) -> float:
    """How far apart, in the common unit, the registrations there and back put a place: the error of the
    inverse consistency (Christensen & Johnson, 2001), and of a translation only against a rigid one.

    A lower bound of the true error: both may be wrong together.
    """
    back = register(moving, fixed, "rigid", across=found.across)
    plain = register(fixed, moving, "translation", across=found.across)
    x, y = back.affine.apply(*found.affine.apply(*place))
    row, col = fixed.spacing
    there_and_back = math.hypot((x - place[0]) * col, (y - place[1]) * row)
    return max(there_and_back, _apart(found.affine, plain.affine, place, moving))


def _apart(a: Affine2D, b: Affine2D, place: tuple[float, float], moving: Plane) -> float:
    (ax, ay), (bx, by) = a.apply(*place), b.apply(*place)
    row, col = moving.spacing
    return math.hypot((ax - bx) * col, (ay - by) * row)
