"""Detectors of torchvision: "torchvision:NAME@WEIGHTS.pth", NAME such as fasterrcnn_resnet50_fpn.

Faster R-CNN, RetinaNet, SSD, FCOS, by torchvision's own builders. The weights are a state dict, and beside
them lies a class file `classes.txt` that begins with the background (see `classes.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.classes import Classes, read_classes
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.fixed import Detections, of_phrase
from foveate.tools.grounding.picture import PictureGrounder, Seen
from foveate.tools.grounding.protocol import Grounder

CARD = Card(
    line="fixed-class detectors of torchvision: Faster R-CNN, RetinaNet, SSD, FCOS, with a class list",
    licence="BSD-3-Clause",
    size="0.03 to 0.05 B",
    boxes="corners in pixels of the picture",
    needs=("torchvision",),
    example=":BUILDER@WEIGHTS.pth",
)
THRESHOLD = 0.5


def load(recipe: str, model: str) -> Grounder:
    """A builder's model with the weights in a file. Raises GrounderError."""
    import torch
    from torchvision.models import detection as detectors
    from torchvision.models import get_model, list_models

    known = list_models(module=detectors)
    if recipe not in known:
        raise GrounderError(f"torchvision has no detector {recipe!r}; it has: {', '.join(known)}.")
    if not Path(model).is_file():
        raise GrounderError(
            f"'torchvision' finds no weights {Path(model).name!r}; write torchvision:NAME@FILE.pth."
        )
    try:
        weights = torch.load(model, map_location="cpu", weights_only=True)
        file = Path(model).with_name("classes.txt")
        count = len(
            [line for line in file.read_text().splitlines() if line.strip() and line.lstrip()[0] != "#"]
        )
        made = get_model(recipe, weights=None, weights_backbone=None, num_classes=count)
        made.load_state_dict(weights)
    except (OSError, RuntimeError, ValueError) as error:
        raise GrounderError(
            f"{Path(model).name!r} with its classes.txt is no {recipe} checkpoint."
        ) from error
    finder = Torchvision(made.eval(), read_classes(file, count))
    return PictureGrounder(f"torchvision:{recipe}@{Path(model).stem}", finder, "fixed_scale", overhang="clip")


@dataclass(frozen=True)
class Torchvision:
    """torchvision resizes by itself and answers in pixels of the picture that it was given."""

    model: Any
    classes: Classes

    def find(self, picture: Image, phrases: Sequence[str]) -> list[Seen]:
        import torch

        pixels = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255).permute(2, 0, 1)
        out = self.model([pixels])[0]
        boxes = [(float(a), float(b), float(c), float(d)) for a, b, c, d in out["boxes"].tolist()]
        found = Detections(boxes, out["scores"].tolist(), out["labels"].tolist())
        seen = [of_phrase(p, found, self.classes, THRESHOLD, 0.7) for p in phrases]
        return [replace(one, passes=int(i == 0)) for i, one in enumerate(seen)]
