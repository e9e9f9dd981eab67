"""The tools `montage` and `find_slices`: several slices of a volume in one picture, and which to look at.

The default choice of slices for a question is the grounder's: its score on a coarse sweep, then on the
neighbours of the best. A grounder whose scores only rank cannot say that nothing is there.
"""

from __future__ import annotations

import numpy as np

from foveate.tools.context import ToolArtifact, ToolContext, ToolError
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.find import check_known, checked_phrase, place
from foveate.tools.grounding.protocol import Grounding
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.montage import at_slice
from foveate.tools.imaging.montage import montage as montage_of
from foveate.tools.imaging.views import View
from foveate.tools.knowledge.grounding import ground_routed

SWEEP = 16
"""Slices of the coarse sweep, evenly spaced."""
MAX_TILES = 16


def montage(ctx: ToolContext, slices: list[int] | None = None, view: str | None = None) -> ToolArtifact:
    """The region of a view on several slices; nine evenly spaced ones where none are named."""
    name = ctx.view_name(view)
    shown, image, last = _volume(ctx, name)
    wanted = slices or _spread(last, 9)
    if len(wanted) > MAX_TILES:
        raise ToolError(f"a montage holds at most {MAX_TILES} slices")
    made = montage_of(shown, image, sorted(set(wanted)), ctx.limits.view_side)
    return ToolArtifact(views=(made,), facts={"tool": "montage", "parent": name, "slices": list(made.slices)})


def find_slices(ctx: ToolContext, phrase: str, view: str | None = None, count: int = 4) -> ToolArtifact:
    """The slices of a volume that show the phrase best, in a montage, with the best region of each."""
    if ctx.grounder is None:
        raise ToolError("no grounder is loaded; name the slices to look at instead")
    phrase = checked_phrase(ctx, phrase)
    name = ctx.view_name(view)
    shown, image, last = _volume(ctx, name)
    found = sweep(ctx, shown, image, phrase)
    best = best_slices(found, min(max(count, 1), MAX_TILES))
    facts = {
        "tool": "find_slices",
        "phrase": phrase,
        "parent": name,
        "last": last,
        "score_kind": next(iter(found.values())).score_kind,
        "scores": {str(index): round(float(one.best_score), 4) for index, one in sorted(found.items())},
        "slices": best,
        "absent": all(one.absent is True for one in found.values()),
        "forward_passes": sum(one.forward_passes for one in found.values()),
    }
    if not best:
        return ToolArtifact(facts=facts)
    made = montage_of(shown, image, best, ctx.limits.view_side)
    evidence = tuple(_evidence(found[index], made, image) for index in best if found[index].regions)
    facts["places"] = [place(one, image) for one in evidence]
    return ToolArtifact(views=(made,), evidence=evidence, facts=facts)


def sweep(ctx: ToolContext, shown: View, image: SourceImage, phrase: str) -> dict[int, Grounding]:
    """Slice index → what the grounder says there: evenly spaced first, then round the best of those.

    Raises ToolError for a phrase that the grounder cannot be asked for, after one slice.
    """
    assert ctx.grounder is not None
    last = image.slice_count(shown.plane) - 1
    found: dict[int, Grounding] = {}
    step = max(1, round(last / SWEEP))
    for wanted in (_spread(last, SWEEP), None):
        indices = wanted or _near(max(found, key=lambda i: found[i].best_score), step, last)
        for index in indices:
            if index not in found:
                [here] = ground_routed(ctx.grounder, at_slice(shown, image, index), image, [phrase])
                found[index] = check_known(here)
    return found


def best_slices(found: dict[int, Grounding], count: int) -> list[int]:
    """The slices with the highest scores on which the phrase is not absent, in slice order."""
    present = [index for index, one in found.items() if one.regions and one.absent is not True]
    return sorted(sorted(present, key=lambda index: (-found[index].best_score, index))[:count])


def _near(best: int, step: int, last: int) -> list[int]:
    """Slices between the best one and its neighbours of the sweep, at most four."""
    half = max(1, step // 2)
    wanted = (best - half, best + half, best - max(1, half // 2), best + max(1, half // 2))
    return [index for index in dict.fromkeys(wanted) if 0 <= index <= last]


def _spread(last: int, count: int) -> list[int]:
    """At most `count` slices from the first to the last, evenly spaced, without the very ends of many."""
    if last + 1 <= count:
        return list(range(last + 1))
    return [int(index) for index in np.linspace(0, last, count + 2).round()[1:-1]]


def _volume(ctx: ToolContext, name: str) -> tuple[View, SourceImage, int]:
    shown = ctx.views[name]
    image = ctx.image(shown)
    last = image.slice_count(shown.plane) - 1
    if last == 0:
        raise ToolError("the image has one slice only")
    return shown, image, last


def _evidence(found: Grounding, made: View, image: SourceImage) -> Evidence:
    region = found.regions[0]
    box = made.frame.from_source(region.box.to_source())
    bare = seen_at(box, made, image, label=region.label or found.phrase, tool="find_slices")
    return bare.model_copy(update={"score": round(region.score, 4), "score_kind": found.score_kind})
