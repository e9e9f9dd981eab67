"""Grounding DINO, MM-Grounding-DINO and LLMDet: "grounding-dino[:threshold=0.25]@MODEL".

Liu et al., arXiv 2303.05499; Zhao et al., arXiv 2401.02361. A medical GLIP-type detector that was converted
to one of these classes is read as it is. Each phrase is a pass of its own: in one prompt they would compete.
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
    line="open-vocabulary detectors: Grounding DINO, MM-Grounding-DINO, LLMDet and fine-tunes of them",
    licence="Apache-2.0; of fine-tunes see the model card",
    size="0.17 to 0.34 B",
    boxes="centre and size as fractions of the picture (resized with its aspect, not padded)",
    usual=("IDEA-Research/grounding-dino-tiny", "openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg"),
    example="[:threshold=0.25]@MODEL",
)
KINDS = ("grounding-dino", "mm-grounding-dino")
CLASSES = ("GroundingDinoForObjectDetection", "MMGroundingDinoForObjectDetection")


def load(recipe: str, model: str) -> Grounder:
    """A checkpoint and a threshold of the score (sigmoid of the best word). Raises GrounderError."""
    told = read_options("grounding-dino", recipe, threshold=0.25, iou=0.5)
    checkpoint = load_checkpoint("grounding-dino", CARD, model, KINDS, CLASSES, "AutoProcessor")
    finder = GroundingDino(checkpoint, told["threshold"], told["iou"])
    # a sigmoid bounds the centre and the size, not the corners: a box may reach over the edge
    return PictureGrounder(f"grounding-dino@{checkpoint.name}", finder, "fixed_scale", overhang="clip")


@dataclass(frozen=True)
class GroundingDino:
    """The model's queries whose best word scores above `threshold`, less those that overlap by `iou`."""

    checkpoint: Checkpoint
    threshold: float
    iou: float

    def find(self, picture: Image, phrases: Sequence[str]) -> list[Seen]:
        return [self._one(picture, phrase) for phrase in phrases]

    def _one(self, picture: Image, phrase: str) -> Seen:
        # the detector was taught on lower-case phrases that end with a full stop
        words = phrase.lower().strip().rstrip(".") + "."
        self.checkpoint.check_length([words], self.checkpoint.model.config.max_text_len)
        out = self.checkpoint.model(**self.checkpoint.inputs(images=picture, text=words))
        scores = out.logits[0].sigmoid().amax(-1).tolist()
        boxes = corners_of(out.pred_boxes[0].cpu().numpy(), *picture.size)
        return replace(scored(boxes, scores, self.threshold, self.iou), passes=1)
