"""Detectors of torchvision: "torchvision:BUILDER[,threshold=0.5,classes=FILE]@WEIGHTS.pth".

Faster R-CNN, RetinaNet, SSD, FCOS by torchvision's own builders, such as fasterrcnn_resnet50_fpn. The weights
are a state dict; the class file (see `classes.py`; by default classes.txt beside the weights) begins with the
background, which torchvision counts as class 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.checkpoint import explained
from foveate.tools.grounding.classes import classes_of, read_rows
from foveate.tools.grounding.detectors import Detections, FixedClasses
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.picture import PictureGrounder
from foveate.tools.grounding.protocol import Grounder

CARD = Card(
    line="fixed-class detectors of torchvision: Faster R-CNN, RetinaNet, SSD, FCOS, with a class list",
    licence="BSD-3-Clause; of weights see where they come from",
    size="3 to 60 M",
    boxes="corners in pixels of the picture",
    needs=("torchvision",),
    example=":BUILDER[,threshold=0.5,classes=FILE]@WEIGHTS.pth",
)
BACKGROUND = "background"


def load(recipe: str, model: str) -> Grounder:
    """A builder's model with the weights in a file. Raises GrounderError."""
    import torch
    from torchvision.models import detection, get_model, list_models

    builder, _, rest = recipe.partition(",")
    known, weights = list_models(module=detection), Path(model)
    if builder not in known:
        raise GrounderError(f"torchvision has no detector {builder!r}; it has: {', '.join(known)}.")
    told = read_options("torchvision", rest, threshold=0.5, iou=0.7, classes="")
    if not weights.is_file():
        raise GrounderError(
            f"'torchvision' finds no weights {weights.name!r}; write torchvision:{builder}@FILE.pth."
        )
    file = Path(told["classes"]) if told["classes"] else weights.with_name("classes.txt")
    rows = read_rows(file)
    if not rows or rows[0][0].lower() != BACKGROUND:
        raise GrounderError(f"The class file {file.name!r} must begin with a line {BACKGROUND!r}.")
    # all that a box scores is wanted, for the best score of what is absent
    low = {"box_score_thresh": 0.0} if "rcnn" in builder else {"score_thresh": 0.0}
    made = get_model(builder, weights=None, weights_backbone=None, num_classes=len(rows), **low)
    with explained(weights.name, str(weights)):
        made.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    classes = classes_of([[""], *rows[1:]], f"The class file {file.name!r}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    finder = FixedClasses(Torchvision(made.eval().to(device)), classes, told["threshold"], told["iou"])
    name = f"torchvision:{builder}@{weights.stem}"
    return PictureGrounder(name, finder, "fixed_scale", overhang="clip")


@dataclass(frozen=True)
class Torchvision:
    """torchvision resizes by itself and answers in pixels of the picture that it was given."""

    model: Any

    def detect(self, picture: Image) -> Detections:
        import torch

        pixels = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255).permute(2, 0, 1)
        out = self.model([pixels.to(next(self.model.parameters()).device)])[0]
        boxes = [(float(a), float(b), float(c), float(d)) for a, b, c, d in out["boxes"].tolist()]
        return Detections(boxes, out["scores"].tolist(), out["labels"].tolist())
