"""The tool `measure`: width, height, longest side and area of a box, in millimetres where the file has
spacing.

All is computed in source pixels, so the view through which a region was seen does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from foveate.tools.context import Corners, ToolArtifact, ToolContext
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.imaging.image import SourceImage


@dataclass(frozen=True)
class Size:
    """Extent of a box along the image's rows and columns, in `unit`; the area is that of the box."""

    width: float
    height: float
    unit: Literal["mm", "pixels"]

    @property
    def longest(self) -> float:
        return max(self.width, self.height)

    @property
    def area(self) -> float:
        return self.width * self.height


def size_of(evidence: Evidence, image: SourceImage) -> Size:
    """The size of a region. Pixels mean source pixels, and only where the image has no spacing."""
    x0, y0, x1, y1 = evidence.box
    spacing = image.plane_spacing(evidence.plane)
    if spacing is None:
        return Size(x1 - x0, y1 - y0, "pixels")
    row_mm, col_mm = spacing
    return Size((x1 - x0) * col_mm, (y1 - y0) * row_mm, "mm")


def measure(
    ctx: ToolContext, region: str | None = None, box: Corners | None = None, view: str | None = None
) -> ToolArtifact:
    """The size of a region; a box that is measured becomes a region of its own, so that it can be cited."""
    target = ctx.target(region, box, view)
    image = ctx.image(target.view)
    if target.evidence is not None:
        return ToolArtifact(facts=_facts(target.evidence, image))
    drawn = seen_at(target.box, target.view, image, label="box", tool="measure", view_name=target.view_name)
    return ToolArtifact(evidence=(drawn,), facts=_facts(drawn, image))


def _facts(evidence: Evidence, image: SourceImage) -> dict[str, object]:
    size = size_of(evidence, image)
    return {
        "tool": "measure",
        "id": evidence.id or None,
        "unit": size.unit,
        "width": round(size.width, 4),
        "height": round(size.height, 4),
        "longest": round(size.longest, 4),
        "area": round(size.area, 4),
    }
