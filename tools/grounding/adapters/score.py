"""One grounder's boxes scored by another's heat map: "score[:keep=0.6,regions=liver/spleen](BOXES+HEAT)".

GroundVLP (arXiv 2312.15043): w·ΣH/√area for each proposal. With `regions` the proposals are what the first
grounder finds for those names, such as anatomical structures, instead of for the phrase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.combine import absence, load_parts, report, spent
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.proposals import Heat, best_shares
from foveate.tools.grounding.protocol import Grounder, Grounding, Region
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

CARD = Card(
    line="the boxes of one grounder, or its anatomy, scored by the heat map of another; ranks",
    licence="as its parts",
    size="as its parts",
    boxes="as its first part",
    kind="combination",
    example="[:regions=NAME/NAME](BOXES+HEAT)",
)


def load(recipe: str, model: str) -> Grounder:
    """`keep`: the share of the best score that a box needs; `iou`: of suppression. Raises GrounderError."""
    told = read_options("score", recipe, keep=0.6, iou=0.5, regions="")
    boxes, heat = load_parts("score", model, 2)
    names = tuple(filter(None, (n.strip() for n in told["regions"].split("/"))))
    return Score(f"score({boxes.name}+{heat.name})", boxes, heat, told["keep"], told["iou"], names)


@dataclass
class Score:
    """`names`: what to ask the first part for instead of the phrase."""

    name: str
    boxes: Grounder
    heat: Grounder
    keep: float
    iou: float
    names: tuple[str, ...] = ()

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        maps = self.heat.ground(view, image, phrases)
        own = self.boxes.ground(view, image, self.names or phrases)
        if self.names:
            every = tuple(r for one in own for r in one.regions)
            # the anatomy is asked once for all phrases: the first of them bears what it cost
            return [self._one(m, every, m.absent, own if i == 0 else ()) for i, m in enumerate(maps)]
        both = zip(maps, own, strict=True)
        return [self._one(m, o.regions, absence({"boxes": o, "heat": m}), (o,)) for m, o in both]

    def _one(
        self, heat: Grounding, proposals: Sequence[Region], absent: bool | None, asked: Sequence[Grounding]
    ) -> Grounding:
        """`asked`: what the first part said and is counted with this phrase."""
        if heat.heatmap is None:
            raise GrounderError(f"The grounder {self.heat.name!r} gives no heat map to score boxes with.")
        own = {self.boxes.name + f" ({one.phrase})" * bool(self.names): one for one in asked}
        found = own | {f"{self.heat.name} (heat)": heat}
        regions = () if absent else self._ranked(heat.heatmap, proposals)
        best = regions[0].score if regions else 0.0
        return Grounding(
            heat.phrase, regions, "relative", absent, best, None, heat.heatmap,
            *spent(found), report(found, {}),
        )  # fmt: skip

    def _ranked(self, heat: Heat, proposals: Sequence[Region]) -> tuple[Region, ...]:
        boxes, scores = [r.box.as_tuple() for r in proposals], [r.score for r in proposals]
        kept = best_shares(heat, boxes, scores, self.iou, self.keep)
        return tuple(Region(proposals[i].box, share, proposals[i].label) for i, share in kept)
