"""The tool `relate`: how two regions lie to each other, computed and never guessed.

Viewing terms (left, right, above, below) are those of the source slice as it is shown upright; anatomical
terms come from the image's sides and are left out where those are unknown. How a view was zoomed or turned
plays no part.
"""

from __future__ import annotations

from dataclasses import dataclass

from foveate.tools.context import ToolArtifact, ToolContext, ToolError
from foveate.tools.evidence import Evidence
from foveate.tools.imaging.image import SIDE_NAMES, SourceImage
from foveate.tools.measure import size_of

LEVEL = 0.25
"""Centres closer than this share of the smaller extent count as level along that axis."""
SAME_SIZE = 1.1
"""Areas within this ratio count as the same size."""


@dataclass(frozen=True)
class Relation:
    """Where region a lies as seen from region b.

    `horizontal` is "left", "right" or "level", `vertical` "above", "below" or "level"; `overlap` is "inside",
    "contains", "overlaps" or "apart", None when they are on different slices. `patient` lists the anatomical
    directions from b to a ("right", "anterior"…). `ratio` is area(a) / area(b). `slices` is how many slices a
    lies beyond b.
    """

    horizontal: str
    vertical: str
    overlap: str | None
    patient: tuple[str, ...]
    ratio: float
    slices: int


def relation(a: Evidence, b: Evidence, image: SourceImage) -> Relation:
    """Raises ToolError when the two were not seen on the same image and plane."""
    if (a.image, a.plane) != (b.image, b.plane):
        raise ToolError(f"{a.id} and {b.id} are on different images or planes and cannot be compared")
    across, down = _axis(a.box[0::2], b.box[0::2]), _axis(a.box[1::2], b.box[1::2])
    return Relation(
        horizontal={-1: "left", 0: "level", 1: "right"}[across],
        vertical={-1: "above", 0: "level", 1: "below"}[down],
        overlap=_overlap(a.box, b.box) if a.slice == b.slice else None,
        patient=_patient(image.sides(a.plane), across, down),
        ratio=size_of(a, image).area / size_of(b, image).area,
        slices=a.slice - b.slice,
    )


def relate(ctx: ToolContext, a: str, b: str) -> ToolArtifact:
    """The relation of two named regions, as facts."""
    if a == b:
        raise ToolError("give two different regions")
    first, second = ctx.region(a), ctx.region(b)
    found = relation(first, second, ctx.store.get(first.image))
    return ToolArtifact(
        facts={
            "tool": "relate",
            "a": a,
            "b": b,
            "horizontal": found.horizontal,
            "vertical": found.vertical,
            "overlap": found.overlap,
            "patient": list(found.patient),
            "ratio": round(found.ratio, 4),
            "slices": found.slices,
            "direction": _direction(ctx.store.get(first.image), first.plane, found.slices),
            "same_size": 1 / SAME_SIZE < found.ratio < SAME_SIZE,
        }
    )


def _axis(a: tuple[float, ...], b: tuple[float, ...]) -> int:
    offset = (a[0] + a[1] - b[0] - b[1]) / 2
    if abs(offset) <= LEVEL * min(a[1] - a[0], b[1] - b[0]):
        return 0
    return 1 if offset > 0 else -1


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> str:
    if a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]:
        return "apart"
    if a == b:
        return "overlaps"
    if b[0] <= a[0] and b[1] <= a[1] and a[2] <= b[2] and a[3] <= b[3]:
        return "inside"
    if a[0] <= b[0] and a[1] <= b[1] and b[2] <= a[2] and b[3] <= a[3]:
        return "contains"
    return "overlaps"


def _patient(sides: tuple[str, str, str, str] | None, across: int, down: int) -> tuple[str, ...]:
    if sides is None:
        return ()
    letters = [sides[across + 1]] * bool(across) + [sides[down + 2]] * bool(down)
    return tuple(SIDE_NAMES[letter].removeprefix("patient ") for letter in letters)


def _direction(image: SourceImage, plane: str, slices: int) -> str:
    """Where higher (or, for a negative number, lower) slice indices lie."""
    if not image.volume:
        return "further on" if slices > 0 else "before"
    left = "right" if image.convention == "neurological" else "left"
    towards = {"axial": ("superior", "inferior"), "coronal": ("posterior", "anterior")}
    side = towards.get(plane, (left, "right" if left == "left" else "left"))
    return side[slices <= 0]
