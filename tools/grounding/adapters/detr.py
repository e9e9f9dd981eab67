"""Fixed-class detectors of transformers: "detr[:threshold=0.5,classes=FILE]@MODEL".

DETR (arXiv 2005.12872), Conditional and Deformable DETR, RT-DETR v1 and v2, D-FINE, YOLOS. The classes are
those of the checkpoint's config.json, or of a class file (see `classes.py`): `classes=FILE`, or a classes.txt
in the checkpoint's folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.checkpoint import Checkpoint, load_checkpoint
from foveate.tools.grounding.classes import Classes, classes_of, read_classes
from foveate.tools.grounding.detectors import Detections, FixedClasses
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.picture import PictureGrounder
from foveate.tools.grounding.protocol import Grounder

CARD = Card(
    line="fixed-class detectors: DETR, RT-DETR, D-FINE, YOLOS and their kin, with a class list",
    licence="Apache-2.0; of fine-tunes see the model card",
    size="0.01 to 0.13 B",
    boxes="centre and size as fractions of the picture",
    usual=("facebook/detr-resnet-50", "PekingU/rtdetr_r50vd"),
    example="[:threshold=0.5,classes=FILE]@MODEL",
)
KINDS = ("detr", "conditional_detr", "deformable_detr", "rt_detr", "rt_detr_v2", "d_fine", "yolos")


def load(recipe: str, model: str) -> Grounder:
    """A checkpoint, its classes and a threshold of the score. Raises GrounderError."""
    told = read_options("detr", recipe, threshold=0.5, iou=0.7, classes="")
    checkpoint = load_checkpoint(
        "detr", CARD, model, KINDS, ["AutoModelForObjectDetection"], "AutoImageProcessor"
    )
    own = Path(model) / "classes.txt"
    file = Path(told["classes"]) if told["classes"] else own if own.is_file() else None
    finder = FixedClasses(Detr(checkpoint), _classes(checkpoint, file), told["threshold"], told["iou"])
    # a sigmoid bounds the centre and the size, not the corners: a box may reach over the edge
    return PictureGrounder(f"detr@{checkpoint.name}", finder, "fixed_scale", overhang="clip")


def _classes(checkpoint: Checkpoint, file: Path | None) -> Classes:
    labels: dict[int, str] = checkpoint.model.config.id2label
    if file is not None:
        return read_classes(file, len(labels))
    if all(name == f"LABEL_{i}" for i, name in labels.items()):
        raise GrounderError(
            f"{checkpoint.name!r} does not name its classes; give a class file (classes=FILE)."
        )
    # config.json may list them in the order of their numbers' letters: 0, 1, 10, 11, 2
    names = [labels.get(i, "") for i in range(max(labels) + 1)]
    # a checkpoint may repeat a name for outputs it does not use, such as COCO's "N/A"
    rows = [[name if names.count(name) == 1 else ""] for name in names]
    return classes_of(rows, f"The checkpoint {checkpoint.name!r}")


@dataclass(frozen=True)
class Detr:
    """The processor undoes the model's own resizing."""

    checkpoint: Checkpoint

    def detect(self, picture: Image) -> Detections:
        out = self.checkpoint.model(**self.checkpoint.inputs(images=picture))
        read = self.checkpoint.processor.post_process_object_detection(
            out, threshold=0.0, target_sizes=[(picture.height, picture.width)]
        )[0]
        boxes = [(float(a), float(b), float(c), float(d)) for a, b, c, d in read["boxes"].tolist()]
        return Detections(boxes, read["scores"].tolist(), read["labels"].tolist())
