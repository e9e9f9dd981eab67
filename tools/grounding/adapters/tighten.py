"""A grounder's boxes tightened round a segmenter's masks: "tighten[:least=0.3](pocket+sam@MODEL)"."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.combine import check_count, split_parts
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.protocol import Grounder, Grounding, Region
from foveate.tools.grounding.segmenters.protocol import Segmenter
from foveate.tools.grounding.segmenters.tighten import tighten
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

CARD = Card(
    line="the boxes of a grounder, tightened round the masks of a segmenter",
    licence="as its parts",
    size="as its parts",
    boxes="as its first part",
    kind="combination",
    example="[:least=0.3](GROUNDER+SEGMENTER)",
)


def load(recipe: str, model: str) -> Grounder:
    """A grounder and a segmenter; `least`: the IoU below which a mask is of something else."""
    from foveate.tools.grounding.registry import load_grounder, load_segmenter

    told = read_options("tighten", recipe, least=0.3)
    specs = split_parts(model)
    check_count("tighten", specs, 2)
    grounder, segmenter = load_grounder(specs[0]), load_segmenter(specs[1])
    return Tighten(f"tighten({grounder.name}+{segmenter.name})", grounder, segmenter, told["least"])


@dataclass
class Tighten:
    """Scores, presence and heat map stay the grounder's; a box whose mask does not fit stays as it was."""

    name: str
    grounder: Grounder
    segmenter: Segmenter
    least: float

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        return [self._one(view, image, found) for found in self.grounder.ground(view, image, phrases)]

    def _one(self, view: View, image: SourceImage, found: Grounding) -> Grounding:
        began = time.monotonic()
        regions: list[Region] = []
        kept: list[str] = []
        for region in found.regions:
            made = tighten(self.segmenter, view, image, region.box, found.phrase, self.least)
            regions.append(Region(made.box, region.score, region.label))
            kept += [made.kept] if made.kept else []
        detail = {**found.detail, "tightened": len(regions) - len(kept), "kept": kept}
        return replace(
            found, regions=tuple(regions), detail=detail, seconds=found.seconds + time.monotonic() - began,
            forward_passes=found.forward_passes + len(regions),
        )  # fmt: skip
