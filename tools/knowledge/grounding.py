"""Grounding through the knowledge base: the query routed, an unknown name rewritten, one of several chosen.

Wraps any grounder call; a query without words of size or place that the grounder finds goes through as it is.
Knows the grounder protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from foveate.tools.grounding.picture import NO_NAME
from foveate.tools.grounding.protocol import Grounder, Grounding, Region
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View
from foveate.tools.knowledge.resolve import resolved
from foveate.tools.knowledge.rewrite import canonical
from foveate.tools.knowledge.route import Route, route


def ground_routed(
    grounder: Grounder, view: View, image: SourceImage, queries: Sequence[str]
) -> list[Grounding]:
    """One grounding a query, in order, under the query's own words.

    What was done is in `detail`: `route` {kind, phrase, choices, candidates} where one of several was chosen,
    `rewritten` where the query's synonym was not found and the base's name for it was.
    """
    routes = [route(query) for query in queries]
    found = list(grounder.ground(view, image, [each.phrase for each in routes]))
    found = _rewritten(grounder, view, image, found)
    return [_chosen(each, grounding, image) for each, grounding in zip(routes, found, strict=True)]


def _rewritten(grounder: Grounder, view: View, image: SourceImage, found: list[Grounding]) -> list[Grounding]:
    """What was not found by its synonym asked for by its name; each name costs one more grounding."""
    names = {n: canonical(g.phrase) for n, g in enumerate(found) if not g.regions}
    names = {n: name for n, name in names.items() if name.lower() != found[n].phrase.lower()}
    if not names:
        return found
    again = grounder.ground(view, image, list(names.values()))
    for (n, name), better in zip(names.items(), again, strict=True):
        passes = found[n].forward_passes + better.forward_passes
        if better.regions:
            told = {**better.detail, "rewritten": name}
            found[n] = replace(better, phrase=found[n].phrase, detail=told, forward_passes=passes)
        else:
            # a synonym that says nothing to the grounder was asked for all the same, if its name does
            detail = {k: v for k, v in found[n].detail.items() if k != NO_NAME or NO_NAME in better.detail}
            found[n] = replace(found[n], detail=detail, forward_passes=passes)
    return found


def _chosen(asked: Route, found: Grounding, image: SourceImage) -> Grounding:
    if not asked.choices:
        return replace(found, phrase=asked.query) if found.phrase != asked.query else found
    kept = tuple(resolved(found.regions, asked.choices, _corners, _size(found, image)))
    told: dict[str, Any] = {
        "kind": asked.kind,
        "phrase": asked.phrase,
        "choices": [{"how": c.how, "by": c.by, "nth": c.nth} for c in asked.choices],
        "candidates": len(found.regions),
    }
    # the thing is there, but not where or not as many as was asked: that is an absence of what was asked for
    absent = found.absent if kept or not found.regions or found.absent is None else True
    return replace(
        found, phrase=asked.query, regions=kept, absent=absent, detail={**found.detail, "route": told}
    )


def _corners(region: Region) -> tuple[float, float, float, float]:
    return region.box.to_source().as_tuple()


def _size(found: Grounding, image: SourceImage) -> tuple[float, float]:
    if not found.regions:
        return 1.0, 1.0
    width, height = image.plane_size(found.regions[0].box.frame.plane)
    return float(width), float(height)
