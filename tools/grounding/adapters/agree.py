"""Two grounders' heat maps made one: "agree[:how=bbm|product|mean](clip+diffusion)"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.combine import absence, load_parts, names_of, report, spent
from foveate.tools.grounding.diffusion.regions import find_regions
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.proposals import Heat, Merge, merged, similarity
from foveate.tools.grounding.protocol import Grounder, Grounding, Region
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

CARD = Card(
    line="two heat maps merged by how far they agree (BBM), multiplied or averaged; ranks",
    licence="as its parts",
    size="as its parts",
    boxes="components of the merged map in the view",
    kind="combination",
    example="[:how=bbm|product|mean](ONE+OTHER)",
)
HOW: tuple[Merge, ...] = ("bbm", "product", "mean")
MOST, LEAST = 5, 0.2
"""Regions at most, and the share of the heaviest one's mass that a region needs."""


def load(recipe: str, model: str) -> Grounder:
    """The two parts and the merge. Raises GrounderError."""
    how = read_options("agree", recipe, how="bbm")["how"]
    if how not in HOW:
        raise GrounderError(f"The recipe of 'agree' knows how={', '.join(HOW)}; not {how!r}.")
    first, second = load_parts("agree", model, 2)
    return Agree(f"agree({first.name}+{second.name})", first, second, how)


@dataclass
class Agree:
    """Boxes round the components of the merged map above Otsu's threshold."""

    name: str
    first: Grounder
    second: Grounder
    how: Merge

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        both = [part.ground(view, image, phrases) for part in (self.first, self.second)]
        return [self._one(view, a, b) for a, b in zip(*both, strict=True)]

    def _one(self, view: View, a: Grounding, b: Grounding) -> Grounding:
        first, second = self._map(self.first, a), self._map(self.second, b)
        heat = merged(first, second, self.how)
        found = dict(zip(names_of((self.first, self.second)), (a, b), strict=True))
        absent, (seconds, passes), detail = absence(found), spent(found), report(found, {})
        detail["similarity"] = round(similarity(first, second), 4)
        drawn = [] if absent else find_regions(heat, "otsu", 0.0, MOST, LEAST)
        regions = tuple(Region(view.frame.box(*d.corners), d.score, a.phrase) for d in drawn)
        best = max((r.score for r in regions), default=0.0)
        return Grounding(a.phrase, regions, "relative", absent, best, None, heat, seconds, passes, detail)

    def _map(self, part: Grounder, one: Grounding) -> Heat:
        if one.heatmap is None:
            raise GrounderError(f"The grounder {part.name!r} gives no heat map to merge.")
        return one.heatmap
