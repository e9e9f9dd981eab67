"""The tool `track`: a region followed through the neighbouring slices, as regions on a montage and a 3-D box.

How a box is followed is in `following.py`; this is the tool round it.
"""

from __future__ import annotations

from foveate.tools.context import Corners, Target, ToolArtifact, ToolContext, ToolError
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.imaging.frames import Box
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.montage import montage
from foveate.tools.imaging.views import View, overview
from foveate.tools.multi.box3d import Box3D
from foveate.tools.multi.following import Step, follow
from foveate.tools.multi.planes import gray

MAX_REACH = 60
MAX_TILES = 16
LEAST_SIDE = 3


def track(
    ctx: ToolContext,
    region: str | None = None,
    box: Corners | None = None,
    view: str | None = None,
    reach: int = 12,
) -> ToolArtifact:
    """The region on up to `reach` slices to either side, until it ends or no longer looks the same."""
    target = ctx.target(region, box, view)
    image, shown = ctx.image(target.view), target.view
    last = image.slice_count(shown.plane) - 1
    if last == 0:
        raise ToolError("the image has one slice only; there is nothing to follow the region through")
    if not 1 <= reach <= MAX_REACH:
        raise ToolError(f"reach must be from 1 to {MAX_REACH} slices")
    source = shown.frame.to_source(target.box)
    if min(source.width, source.height) < LEAST_SIDE:
        raise ToolError(f"the region is smaller than {LEAST_SIDE} pixels a side and cannot be followed")
    steps = follow(
        lambda index: gray(image.plane_pixels(shown.plane, index)),
        shown.slice_index,
        source.as_tuple(),
        last,
        reach,
    )
    boxes = [image.source_frame(shown.plane, step.slice_index).box(*step.corners) for step in steps]
    made = _pictured(ctx, image, target, steps)
    evidence = tuple(_evidence(box, step, made, image, target) for box, step in _shown(boxes, steps, made))
    facts = {
        "tool": "track",
        "region": region,
        "parent": target.view_name,
        "start": shown.slice_index,
        "scores": {str(step.slice_index): round(step.score, 3) for step in steps},
        "ended": [
            "reach" if steps[0].slice_index == shown.slice_index - reach else "end",
            "reach" if steps[-1].slice_index == shown.slice_index + reach else "end",
        ],
        "box3d": Box3D.around(boxes).told(image),
    }
    return ToolArtifact(views=(made,), evidence=evidence, facts=facts)


def _pictured(ctx: ToolContext, image: SourceImage, target: Target, steps: list[Step]) -> View:
    """The whole slices that the region is on, in a montage; every n-th where they are many."""
    indices = [step.slice_index for step in steps]
    skip = -(-len(indices) // MAX_TILES)
    kept = sorted({*indices[::skip], target.view.slice_index}) if skip > 1 else indices
    side, shown = ctx.limits.view_side, target.view
    whole = overview(image, side, shown.slice_index, shown.plane, shown.window, upscale=True)
    return montage(whole, image, kept, side)


def _shown(boxes: list[Box], steps: list[Step], made: View) -> list[tuple[Box, Step]]:
    pairs = zip(boxes, steps, strict=True)
    return [(box, step) for box, step in pairs if step.slice_index in made.slices]


def _evidence(box: Box, step: Step, made: View, image: SourceImage, target: Target) -> Evidence:
    bare = seen_at(made.frame.from_source(box), made, image, label=target.label, tool="track")
    return bare.model_copy(update={"score": round(step.score, 4), "score_kind": "relative"})
