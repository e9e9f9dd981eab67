"""Two views, checked and registered: the common ground of compare, match and transfer.

Registration is of the whole slices that the views show, so that it does not depend on how one was cropped or
windowed. Knows no difference map and no score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from foveate.tools.context import Corners, Target, ToolContext, ToolError
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.imaging.frames import Affine2D, Box, BoxError
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View
from foveate.tools.multi.identity import check_pair
from foveate.tools.multi.planes import Plane, pair_of_planes, plane_of
from foveate.tools.multi.registration import Alignment, Model, register

AGREES = 0.8
"""The least correlation, after registration, of two slices of one region of one patient. Measured by
`foveate.evals.bench.compare`: shifted pairs of one slice have 0.99
and more, slices of two patients 0.78 and less."""
OVERLAPS = 0.4
"""The least share of the newer slice that the older one must cover."""


@dataclass(frozen=True)
class Pair:
    """`newer` and `older` are views by name; `same_patient` is None where it cannot be known."""

    newer: str
    older: str
    views: tuple[View, View]
    images: tuple[SourceImage, SourceImage]
    same_patient: bool | None

    def planes(self) -> tuple[Plane, Plane]:
        """Both slices in one unit."""
        planes = [
            plane_of(image, view.plane, view.slice_index)
            for image, view in zip(self.images, self.views, strict=True)
        ]
        return pair_of_planes(planes[0], planes[1])


def pair_of(ctx: ToolContext, view: str | None, other: str | None, *, across: bool = False) -> Pair:
    """The view meant, and the other one: the newest that shows another slice or image unless named.

    Raises ToolError where there is only one, and as `check_pair` does.
    """
    name = ctx.view_name(view)
    shown = ctx.views[name]
    second = _other(ctx, name, shown) if other is None else ctx.view_name(other)
    views = (shown, ctx.views[second])
    if _slice_of(views[0]) == _slice_of(views[1]):
        raise ToolError(f"{name} and {second} show one and the same slice; two are needed")
    images = (ctx.image(views[0]), ctx.image(views[1]))
    same = True if images[0].id == images[1].id else check_pair(*images, across=across)
    return Pair(name, second, views, images, same)


def pointed(
    ctx: ToolContext,
    region: str | None,
    box: Corners | None,
    view: str | None,
    other: str | None,
    *,
    across: bool = False,
) -> tuple[Target, Pair]:
    """The place that a call points at, and the pair of its view with the other one."""
    target = ctx.target(region, box, view)
    return target, pair_of(ctx, target.view_name, other, across=across)


def aligned(pair: Pair, model: Model, *, across: bool = False) -> tuple[Plane, Plane, Alignment]:
    """Both planes and how the older lies in the newer. Raises ToolError where they do not match."""
    fixed, moving = pair.planes()
    found = register(fixed, moving, model, across=across)
    if found.overlap < OVERLAPS or (not across and found.agreement < AGREES):
        raise ToolError(
            f"{pair.newer} and {pair.older} do not match (agreement {found.agreement:.2f} once registered, "
            f"overlap {found.overlap:.2f}); give slices of one and the same region"
        )
    return fixed, moving, found


def carried(box: Box, affine: Affine2D, to: View) -> Box | None:
    """A source box through a map of source pixels, as far as the view `to` shows it, or None."""
    x0, y0, x1, y1 = affine.map_box(*box.as_tuple())
    width, height = to.frame.source_size
    x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, width), min(y1, height)
    if x1 - x0 < 1 or y1 - y0 < 1:
        return None
    try:
        return to.frame.from_source(to.frame.source.box(x0, y0, x1, y1))
    except BoxError:
        return None


def scored(
    box: Box, view: View, image: SourceImage, *, label: str, tool: str, name: str, score: float
) -> Evidence:
    """Evidence whose score only ranks."""
    bare = seen_at(box, view, image, label=label, tool=tool, view_name=name)
    return bare.model_copy(update={"score": round(float(score), 4), "score_kind": "relative"})


def transform_facts(pair: Pair, found: Alignment) -> dict[str, Any]:
    """What is told of a registration: how far, how well, and whether the patient is known to be one."""
    affine = found.affine
    return {
        "view": pair.newer,
        "other": pair.older,
        "model": found.model,
        "affine": [round(v, 6) for v in (affine.a, affine.b, affine.c, affine.d, affine.e, affine.f)],
        "shift": [round(value, 2) for value in found.shift],
        "degrees": round(found.degrees, 2),
        "unit": found.unit,
        "agreement_before": round(found.before, 3),
        "agreement": round(found.agreement, 3),
        "overlap": round(found.overlap, 3),
        "same_patient": pair.same_patient,
    }


def _other(ctx: ToolContext, name: str, shown: View) -> str:
    for other in reversed(list(ctx.views)):
        if _slice_of(ctx.views[other]) != _slice_of(shown):
            return other
    raise ToolError(f"two images or slices are needed and there is one only, that of {name}; give another")


def _slice_of(view: View) -> tuple[str, str, int]:
    return view.image_id, view.plane, view.slice_index
