"""CLIPSeg (arXiv 2112.10003): its mask of a phrase as regions, "clipseg[:threshold=0.5]@MODEL"."""

from __future__ import annotations

from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.grounding.segmenters.clipseg import CARD as SEGMENTER
from foveate.tools.grounding.segmenters.clipseg import ClipSeg, load_model
from foveate.tools.grounding.similarity import map_grounder

CARD = SEGMENTER.as_grounder(example="[:threshold=0.5]@MODEL")


def load(recipe: str, model: str) -> Grounder:
    """A checkpoint and the probability from which a pixel counts. Raises GrounderError."""
    told = read_options("clipseg", recipe, threshold=0.5)
    checkpoint = load_model(model)
    return map_grounder(f"clipseg@{checkpoint.name}", ClipSeg(checkpoint, told["threshold"]))
