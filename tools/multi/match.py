"""The tool `match`: where a patch of one view lies in another, or that it does not.

Normalised cross-correlation (scikit-image's `match_template`) after registration, at the scale of the
millimetres, or anywhere in the slice where the two cannot be registered. Below a threshold there is no
answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foveate.tools.context import Corners, ToolArtifact, ToolContext
from foveate.tools.imaging.frames import Affine2D, Box
from foveate.tools.multi.pairs import carried, pointed, scored, transform_facts
from foveate.tools.multi.planes import Floats, Plane, warped
from foveate.tools.multi.registration import RegistrationError, register

FOUND = 0.6
"""The least correlation of a patch with the place that it is found at. Measured by
`foveate.evals.bench.compare`."""
REACH = 0.5
"""How far round the place that registration names is searched, as a share of the patch's sides."""
LEAST_SIDE = 5


@dataclass(frozen=True)
class Match:
    """`corners` in pixels of the searched plane; `score` is the normalised cross-correlation, -1 to 1."""

    corners: Corners
    score: float


def match(
    ctx: ToolContext,
    region: str | None = None,
    box: Corners | None = None,
    view: str | None = None,
    other: str | None = None,
) -> ToolArtifact:
    """The place in `other` that looks as the region of `view` does."""
    target, pair = pointed(ctx, region, box, view, other)
    source = target.view.frame.to_source(target.box)
    fixed, moving = pair.planes()
    alignment = register(fixed, moving)
    found = best_match(source, fixed, moving, alignment.affine)
    there = pair.views[1].frame.source.box(*found.corners)
    shown = carried(there, Affine2D.identity(), pair.views[1])
    certain = found.score >= FOUND and shown is not None
    facts = {
        "tool": "match",
        "region": region,
        **transform_facts(pair, alignment),
        "score": round(found.score, 3),
        "threshold": FOUND,
        "found": certain,
    }
    if not certain or shown is None:
        return ToolArtifact(facts=facts)
    made = scored(
        shown,
        pair.views[1],
        pair.images[1],
        label=target.label,
        tool="match",
        name=pair.older,
        score=found.score,
    )
    return ToolArtifact(evidence=(made,), facts=facts)


def best_match(box: Box, fixed: Plane, moving: Plane, affine: Affine2D) -> Match:
    """The best place of a source box of `fixed` in `moving`, near where the map of source pixels carries it.

    Raises RegistrationError for a patch that is too small or constant, or has left the other slice.
    """
    patch, region, origin = _patches(box, fixed, moving, affine)
    if min(patch.shape) < LEAST_SIDE:
        raise RegistrationError(f"the region has less than {LEAST_SIDE} pixels a side and cannot be matched")
    if np.ptp(patch) <= 0:
        raise RegistrationError("the region has no contrast and cannot be matched")
    score, (row, col) = _peak(patch, region)
    x, y = origin[0] + col, origin[1] + row
    corners = affine.map_box(x, y, x + box.width, y + box.height)
    width, height = moving.size
    inside = (max(corners[0], 0.0), max(corners[1], 0.0), min(corners[2], width), min(corners[3], height))
    if inside[2] - inside[0] < 1 or inside[3] - inside[1] < 1:
        raise RegistrationError("the region lies outside the other slice")
    return Match(inside, score)


def _patches(
    box: Box, fixed: Plane, moving: Plane, affine: Affine2D
) -> tuple[Floats, Floats, tuple[float, float]]:
    """(the patch, the part of the moving plane to search, on the fixed grid, where that part begins if the
    patch lies at its own place's offset)."""
    x0, y0, x1, y1 = (round(value) for value in box.as_tuple())
    patch = fixed.pixels[y0:y1, x0:x1]
    dx, dy = max(3, round(REACH * (x1 - x0))), max(3, round(REACH * (y1 - y0)))
    grid = affine @ Affine2D.scale_shift(1.0, 1.0, x0 - dx, y0 - dy)
    region = warped(moving.pixels, grid, (x1 - x0 + 2 * dx, y1 - y0 + 2 * dy), order=1)
    if not np.isfinite(region).any():
        raise RegistrationError("the region lies outside the other slice")
    filled = np.where(np.isfinite(region), region, np.nanmin(region)).astype(np.float32)
    return patch, filled, (box.x0 - dx, box.y0 - dy)


def _peak(patch: Floats, region: Floats) -> tuple[float, tuple[float, float]]:
    """The highest correlation and the (row, col) of the patch's first pixel in the region."""
    from skimage.feature import match_template

    scores = match_template(region, patch)
    row, col = np.unravel_index(int(np.argmax(scores)), scores.shape)
    return float(scores[row, col]), (float(row), float(col))
