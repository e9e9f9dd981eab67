"""The tool `ground`: a phrase in, regions with scores out, or a stated absence.

Knows only the grounder protocol; words of size and place, and names that only the knowledge base knows, are
resolved on the way. A relative score ranks regions and never decides absence; a grounder that
has a calibrated presence says so itself.
"""

from __future__ import annotations

from foveate.tools.context import ToolArtifact, ToolContext, ToolError
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.grounding.picture import NO_NAME
from foveate.tools.grounding.protocol import Grounding, Region
from foveate.tools.imaging.image import SIDE_NAMES, SourceImage
from foveate.tools.imaging.views import View
from foveate.tools.knowledge.grounding import ground_routed

MIDDLE = 0.05
"""A region whose centre is within this share of the width from the middle is on neither side."""


def ground(ctx: ToolContext, phrase: str, view: str | None = None) -> ToolArtifact:
    """Regions of a view that show what the phrase names, best first."""
    if ctx.grounder is None:
        raise ToolError("no grounder is loaded")
    phrase = checked_phrase(ctx, phrase)
    name = ctx.view_name(view)
    shown = ctx.views[name]
    image = ctx.image(shown)
    [found] = ground_routed(ctx.grounder, shown, image, [phrase])
    check_known(found)
    # None wherever the grounder has no calibrated way to decide, or was never taught what it was asked for
    absent = None if NO_NAME in found.detail else found.absent
    regions = () if absent else found.regions[: ctx.limits.max_regions]
    evidence = tuple(_evidence(region, found, shown, image, name) for region in regions)
    return ToolArtifact(
        evidence=evidence, facts=_facts(found, absent, name, [place(e, image) for e in evidence])
    )


def checked_phrase(ctx: ToolContext, phrase: str) -> str:
    """The phrase with single spaces. Raises ToolError for none and for one that is too long."""
    words = " ".join(phrase.split())
    if not words or len(words) > ctx.limits.max_phrase:
        raise ToolError(f"the phrase must have 1 to {ctx.limits.max_phrase} characters")
    return words


def check_known(found: Grounding) -> Grounding:
    """The grounding itself. Raises ToolError where the grounder says why it has nothing to say, such as a
    phrase that a detector has no class for."""
    if found.absent is None and not found.regions and "reason" in found.detail:
        raise ToolError(str(found.detail["reason"]))
    return found


def place(evidence: Evidence, image: SourceImage) -> dict[str, str]:
    """Which half of the source image the region is in, in viewing and, where known, in patient terms."""
    width, _ = image.plane_size(evidence.plane)
    offset = (evidence.box[0] + evidence.box[2]) / 2 / width - 0.5
    if abs(offset) <= MIDDLE:
        return {"side": "middle"}
    sides = image.sides(evidence.plane)
    letter = "" if sides is None else sides[0 if offset < 0 else 2]
    told = {"side": "left" if offset < 0 else "right"}
    return {**told, "patient": SIDE_NAMES[letter].removeprefix("patient ")} if letter in ("L", "R") else told


def _evidence(region: Region, found: Grounding, view: View, image: SourceImage, name: str) -> Evidence:
    bare = seen_at(region.box, view, image, label=region.label or found.phrase, tool="ground", view_name=name)
    return bare.model_copy(update={"score": round(region.score, 4), "score_kind": found.score_kind})


def _facts(
    found: Grounding, absent: bool | None, view: str, places: list[dict[str, str]]
) -> dict[str, object]:
    return {
        "tool": "ground",
        "phrase": found.phrase,
        "view": view,
        "absent": absent,
        "score_kind": found.score_kind,
        "best_score": round(float(found.best_score), 4),
        "threshold": found.threshold,
        "forward_passes": found.forward_passes,
        "places": places,
        **{key: found.detail[key] for key in ("route", "rewritten", NO_NAME) if key in found.detail},
    }
