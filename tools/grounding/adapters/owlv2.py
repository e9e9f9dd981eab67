"""OWLv2: "owlv2[:threshold=0.1]@MODEL". Minderer et al., arXiv 2306.09683.

All phrases share one pass; each has its own sigmoid, so they do not compete.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL.Image import Image

from foveate.tools.grounding.boxes import corners_of
from foveate.tools.grounding.card import Card
from foveate.tools.grounding.checkpoint import Checkpoint, load_checkpoint
from foveate.tools.grounding.detectors import scored
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.picture import PictureGrounder, Seen
from foveate.tools.grounding.protocol import Grounder

CARD = Card(
    line="open-vocabulary detector OWLv2 and fine-tunes of it",
    licence="Apache-2.0",
    size="0.15 to 0.44 B",
    boxes="centre and size as fractions of the picture padded right and below to a square",
    usual=("google/owlv2-base-patch16-ensemble", "google/owlv2-large-patch14-ensemble"),
    example="[:threshold=0.1]@MODEL",
)


def load(recipe: str, model: str) -> Grounder:
    """A checkpoint and a threshold of the score (sigmoid). Raises GrounderError."""
    told = read_options("owlv2", recipe, threshold=0.1, iou=0.5)
    checkpoint = load_checkpoint(
        "owlv2", CARD, model, ["owlv2"], ["Owlv2ForObjectDetection"], "Owlv2Processor"
    )
    finder = Owlv2(checkpoint, told["threshold"], told["iou"])
    # boxes may reach into the padding, or over the edge of the square
    return PictureGrounder(f"owlv2@{checkpoint.name}", finder, "fixed_scale", overhang="clip")


@dataclass(frozen=True)
class Owlv2:
    """The patches' boxes that score above `threshold`, less those that overlap by `iou`."""

    checkpoint: Checkpoint
    threshold: float
    iou: float

    def find(self, picture: Image, phrases: Sequence[str]) -> list[Seen]:
        self.checkpoint.check_length(
            phrases, self.checkpoint.model.config.text_config.max_position_embeddings
        )
        out = self.checkpoint.model(**self.checkpoint.inputs(images=picture, text=[list(phrases)]))
        side = max(picture.size)
        boxes = corners_of(out.pred_boxes[0].cpu().numpy(), side, side)
        columns = enumerate(out.logits[0].sigmoid().T.tolist())
        return [replace(scored(boxes, s, self.threshold, self.iou), passes=int(i == 0)) for i, s in columns]
