"""The masks of a segmenter that reads words as regions: "masks[:least=0.001](SEGMENTER)".

The way in for text-prompted segmenters (CLIPSeg; BiomedParse and SAT through `foveate.segmenters`). A phrase
whose mask is empty is absent.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.combine import split_parts
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.protocol import Grounder, Grounding, Region
from foveate.tools.grounding.segmenters.protocol import Mask, Prompt, Segmenter
from foveate.tools.imaging.frames import Box
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

CARD = Card(
    line="the parts of a text-prompted segmenter's mask; absent where the mask is empty",
    licence="as its part",
    size="as its part",
    boxes="components of the mask in the view",
    kind="combination",
    example="[:least=0.001](SEGMENTER)",
)
MOST = 5


def load(recipe: str, model: str) -> Grounder:
    """A segmenter that takes text; `least`: the share of the view below which a part is none."""
    from foveate.tools.grounding.registry import load_segmenter

    told, specs = read_options("masks", recipe, least=0.001), split_parts(model)
    if len(specs) != 1:
        raise GrounderError(f"The grounder 'masks' is made of one segmenter, not of {len(specs)}.")
    segmenter = load_segmenter(specs[0])
    if "text" not in segmenter.takes:
        taken = ", ".join(sorted(segmenter.takes))
        raise GrounderError(f"'masks' needs a segmenter that takes text; {segmenter.name!r} takes: {taken}.")
    return Masks(f"masks({segmenter.name})", segmenter, told["least"])


@dataclass
class Masks:
    """Regions by size, largest first; their score is the segmenter's of its mask."""

    name: str
    segmenter: Segmenter
    least: float

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        return [self._one(view, image, phrase) for phrase in phrases]

    def _one(self, view: View, image: SourceImage, phrase: str) -> Grounding:
        began = time.monotonic()
        mask = self.segmenter.segment(view, image, Prompt(text=phrase))
        regions = tuple(Region(box, mask.score, phrase) for box in self._boxes(mask))
        heat, spent = mask.pixels.astype(np.float32), time.monotonic() - began
        best = mask.score if regions else 0.0
        return Grounding(phrase, regions, "fixed_scale", not regions, best, None, heat, spent, mask.passes)

    def _boxes(self, mask: Mask) -> list[Box]:
        labels, count = ndimage.label(mask.pixels)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        kept = [i for i in np.argsort(-sizes, kind="stable")[:MOST] if sizes[i] >= self.least * labels.size]
        places = ndimage.find_objects(labels)
        frame = mask.view.frame
        return [frame.box(x.start, y.start, x.stop, y.stop) for y, x in (places[i] for i in kept)]
