"""A slice of labelled rectangles in place of a patient, and a grounder that reads its labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from foveate.pocket.anatomy import LESION, Structure, part_ids, structure, structures
from foveate.pocket.vlm.scenes import LESION_ID, SIDE, Scene
from foveate.tools.context import ToolError
from foveate.tools.grounding.protocol import Grounding, Region
from foveate.tools.imaging.frames import BoxError
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View
from foveate.tools.imaging.windows import PRESETS

Corners = tuple[int, int, int, int]

ORGANS: dict[str, Corners] = {
    "liver": (40, 80, 165, 200),
    "spleen": (280, 120, 320, 190),
    "stomach": (210, 70, 270, 140),
    "right kidney": (70, 220, 115, 275),
    "left kidney": (240, 220, 284, 276),
    "vertebra": (150, 240, 200, 300),
    "aorta": (205, 215, 230, 235),
}
"""Boxes in scene pixels."""
NODULE: Corners = (100, 90, 120, 112)
SPACING = 1.2
HIDDEN = "urinary bladder"


def scene(organs: dict[str, Corners] | None = None, nodule: bool = True) -> Scene:
    """Rectangles of soft tissue in fat, each filled with its own label."""
    labels = np.zeros((SIDE, SIDE), dtype=np.uint8)
    hu = np.full((SIDE, SIDE), -100, dtype=np.int16)
    for i, (name, (x0, y0, x1, y1)) in enumerate((ORGANS if organs is None else organs).items()):
        labels[y0:y1, x0:x1] = part_ids(structure(name))[0]
        hu[y0:y1, x0:x1] = 40 + 20 * i
    if nodule:
        x0, y0, x1, y1 = NODULE
        labels[y0:y1, x0:x1] = LESION_ID
        hu[y0:y1, x0:x1] = 300
    return Scene(hu, labels, SPACING, 22 * SPACING if nodule else None)


def image_of_scene(made: Scene) -> SourceImage:
    return SourceImage(
        made.hu[None], spacing_mm=(5.0, SPACING, SPACING), affine=np.diag([SPACING, SPACING, 5.0, 1.0]),
        modality="CT", intensity_unit="HU", default_window=PRESETS["soft tissue"],
        convention="radiological", volume=True, patient_side_known=True, stored_orientation="LPS",
        name="scene",
    )  # fmt: skip


def in_v0(box: Corners) -> list[int]:
    """The box as it is written in V0 of 224 pixels."""
    return [round(v * 224 / SIDE) for v in box]


@cache
def named(phrase: str) -> Structure | None:
    """The structure that a phrase of the question bank names."""
    bare = phrase.lower().removeprefix("the ")
    return next((s for s in structures() if bare in (s.name, *s.nouns) or phrase in s.phrases()), None)


class LabelGrounder:
    """Answers from the labels. `misplaced` phrases come back elsewhere, a `blind` one finds nothing.

    The next `failures` calls raise.
    """

    name = "labels"

    def __init__(self, made: Scene) -> None:
        self.made = made
        self.misplaced: dict[str, Corners] = {}
        self.blind = False
        self.failures = 0

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        if self.failures:
            self.failures -= 1
            raise ToolError("grounder timed out")
        return [self._one(view, phrase) for phrase in phrases]

    def _one(self, view: View, phrase: str) -> Grounding:
        box = self.misplaced.get(phrase) or self._box(named(phrase))
        regions: tuple[Region, ...] = ()
        if box is not None:
            try:
                regions = (Region(view.frame.from_source(view.frame.source.box(*box)), 0.91, phrase),)
            except BoxError:  # outside of this view
                regions = ()
        best = 0.91 if regions else 0.07
        return Grounding(phrase, regions, "fixed_scale", not regions, best, 0.5, None, 0.001, 1)

    def _box(self, wanted: Structure | None) -> Corners | None:
        if wanted is None or self.blind:
            return None
        ids = [LESION_ID] if wanted.name == LESION else part_ids(wanted)
        rows, cols = np.nonzero(np.isin(self.made.labels, ids))
        if not len(rows):
            return None
        return int(cols.min()), int(rows.min()), int(cols.max()) + 1, int(rows.max()) + 1
