"""The tools that make a new view: crop, zoom, window, flip_rotate and slice.

Each gives back one view, always resampled from the source; none knows how a model writes a box.
"""

from __future__ import annotations

from typing import Any

from foveate.tools.context import Corners, Target, ToolArtifact, ToolContext, ToolError
from foveate.tools.imaging import views as looks
from foveate.tools.imaging.frames import Box
from foveate.tools.imaging.montage import at_slice
from foveate.tools.imaging.views import View
from foveate.tools.imaging.windows import Window, window_named


def crop(
    ctx: ToolContext,
    region: str | None = None,
    box: Corners | None = None,
    view: str | None = None,
) -> ToolArtifact:
    """The part of a view that the box holds, at the view's own scale or, if that is tiny, at the smallest
    side.

    Regions get a margin of context.
    """
    target = ctx.target(region, box, view)
    looked_at = _with_margin(target, ctx.limits.margin)
    made = looks.crop(target.view, looked_at)
    if max(made.width, made.height) < ctx.limits.min_side:
        made = looks.zoom(target.view, looked_at, target_side=ctx.limits.min_side)
    return _made(made, target.view_name, "crop", around=_name(target))


def zoom(
    ctx: ToolContext,
    region: str | None = None,
    box: Corners | None = None,
    view: str | None = None,
    factor: float | None = None,
    target: int | None = None,
) -> ToolArtifact:
    """The part of a view that the box holds, magnified by `factor` or to a longest side of `target`
    pixels."""
    place = ctx.target(region, box, view)
    if factor is not None and target is not None:
        raise ToolError("give either factor or target, not both")
    side = ctx.limits.view_side
    if target is not None and not 1 <= target <= side:
        raise ToolError(f"target must be from 1 to {side} pixels")
    looked_at = _with_margin(place, ctx.limits.margin)
    if factor is not None and max(looked_at.width, looked_at.height) * factor > side:
        raise ToolError(f"zoom x{factor:g} makes a view of more than {side} pixels; use a smaller factor")
    made = looks.zoom(place.view, looked_at, factor=factor, target_side=None if factor else (target or side))
    shown = max(made.width, made.height) / max(looked_at.width, looked_at.height)
    return _made(made, place.view_name, "zoom", around=_name(place), factor=shown)


def window(
    ctx: ToolContext,
    preset: str | None = None,
    center: float | None = None,
    width: float | None = None,
    view: str | None = None,
) -> ToolArtifact:
    """The same view with other intensities: a named CT preset, or a center and a width in stored units."""
    name = ctx.view_name(view)
    shown = ctx.views[name]
    if preset is not None and (center is not None or width is not None):
        raise ToolError("give either a preset or center and width, not both")
    if preset is not None:
        if ctx.image(shown).intensity_unit != "HU":
            raise ToolError("named windows need a CT with Hounsfield units; give center and width instead")
        chosen = window_named(preset)
    elif center is None or width is None:
        raise ToolError("give a preset, or both center and width")
    else:
        chosen = Window(center, width)
    return _made(
        looks.rewindow(shown, chosen), name, "window", preset=preset, center=chosen.center, width=chosen.width
    )


def flip_rotate(
    ctx: ToolContext, turns: int = 0, flip: bool = False, view: str | None = None
) -> ToolArtifact:
    """The view turned clockwise by quarter turns, after mirroring left to right where asked."""
    name = ctx.view_name(view)
    if turns % 4 == 0 and not flip:
        raise ToolError("nothing to do: give turns from 1 to 3, or flip")
    made = looks.flip_rotate(ctx.views[name], turns, flip)
    return _made(made, name, "flip_rotate", degrees=turns % 4 * 90, flipped=flip)


def slice_(ctx: ToolContext, index: int, view: str | None = None) -> ToolArtifact:
    """The same region of another slice of the volume."""
    name = ctx.view_name(view)
    shown = ctx.views[name]
    image = ctx.image(shown)
    last = image.slice_count(shown.plane) - 1
    if last == 0:
        raise ToolError("the image has one slice only")
    if not 0 <= index <= last:
        raise ToolError(f"there is no slice {index}; slices are 0-{last}")
    return _made(at_slice(shown, image, index), name, "slice", index=index, last=last)


def _with_margin(target: Target, margin: float) -> Box:
    """A region is looked at with its surroundings, as far as the view reaches; a box is taken as given."""
    if target.evidence is None:
        return target.box
    box, frame = target.box, target.view.frame
    dx, dy = box.width * margin, box.height * margin
    x0, y0 = max(box.x0 - dx, 0.0), max(box.y0 - dy, 0.0)
    return frame.box(x0, y0, min(box.x1 + dx, frame.width), min(box.y1 + dy, frame.height))


def _name(target: Target) -> str | None:
    return target.evidence.id if target.evidence else None


def _made(view: View, parent: str, tool: str, **facts: Any) -> ToolArtifact:
    return ToolArtifact(views=(view,), facts={"tool": tool, "parent": parent, **facts})
