"""Similarity maps as grounders: a model that scores every patch of a picture against a phrase.

The seam of BioViL-T, RadZero, ConceptCLIP and any CLIP-like model (adapters/biovil.py, radzero.py,
conceptclip.py, clip.py): implement `MapModel`, hand it to `map_grounder`. Maps are stretched over the part of
the picture that the model saw; boxes are the components above a cut. Knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from foveate.tools.grounding.diffusion.regions import HeatBox, find_regions
from foveate.tools.grounding.picture import Corners, PictureGrounder, Seen

Heat = npt.NDArray[np.float32]
MOST, LEAST = 5, 0.2


class MapModel(Protocol):
    """A model that scores every patch of a picture."""

    @property
    def fixed_scale(self) -> float | None:
        """None: values only rank places. Else the value from which a phrase is present, on a scale that is
        the same for all pictures and phrases, in [0, 1]."""
        ...

    def maps(self, picture: Image.Image, phrases: Sequence[str]) -> npt.NDArray[Any]:
        """(phrases, rows, cols): one value per patch, any finite scale where `fixed_scale` is None."""
        ...

    def field(self, width: int, height: int) -> Corners:
        """The part (x0, y0, x1, y1) of a picture of that size that the patches cover, in its pixels."""
        ...


def map_grounder(name: str, model: MapModel) -> PictureGrounder:
    """A grounder of a map model."""
    return PictureGrounder(name, MapFinder(model), "relative" if model.fixed_scale is None else "fixed_scale")


def center_crop(width: int, height: int, resized: tuple[float, float], crop: tuple[float, float]) -> Corners:
    """What is left of a picture resized to (w, h) with its middle (w, h) cut out, in its own pixels."""
    w, h = width * crop[0] / resized[0], height * crop[1] / resized[1]
    return (width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2


def field_of(reader: Any, width: int, height: int) -> Corners:
    """The part of a picture that a transformers image processor leaves: all of it, or the middle that it cuts
    out after resizing."""
    if not getattr(reader, "do_center_crop", False):
        return 0.0, 0.0, float(width), float(height)
    size, crop = reader.size, reader.crop_size
    scale = (size.get("shortest_edge") or 0) / min(width, height)
    resized = (width * scale, height * scale) if scale else (size["width"], size["height"])
    return center_crop(width, height, resized, (crop["width"], crop["height"]))


def spread(patches: npt.NDArray[Any], field: Corners, width: int, height: int) -> Heat:
    """Patch values (rows, cols) over their field in a picture: float32 (height, width), bilinear between the
    patches' centres, 0 outside the field."""
    x0, y0, x1, y1 = field
    rows, cols = patches.shape
    picture = Image.fromarray(np.ascontiguousarray(patches, dtype=np.float32))
    left, top = max(0, round(x0)), max(0, round(y0))
    right, bottom = min(width, round(x1)), min(height, round(y1))
    scale_x, scale_y = cols / (x1 - x0), rows / (y1 - y0)
    part = ((left - x0) * scale_x, (top - y0) * scale_y, (right - x0) * scale_x, (bottom - y0) * scale_y)
    box = max(0.0, part[0]), max(0.0, part[1]), min(float(cols), part[2]), min(float(rows), part[3])
    heat = np.zeros((height, width), dtype=np.float32)
    size, bilinear = (right - left, bottom - top), Image.Resampling.BILINEAR
    heat[top:bottom, left:right] = np.asarray(picture.resize(size, bilinear, box))
    return heat


@dataclass(frozen=True)
class MapFinder:
    """Maps to boxes: above the fixed scale's cut, or above Otsu's for a relative map."""

    model: MapModel

    def find(self, picture: Image.Image, phrases: Sequence[str]) -> list[Seen]:
        maps = np.asarray(self.model.maps(picture, phrases), dtype=np.float32)
        field = self.model.field(*picture.size)
        return [self._one(one, field, picture.size, int(i == 0)) for i, one in enumerate(maps)]

    def _one(self, patches: Heat, field: Corners, size: tuple[int, int], passes: int) -> Seen:
        cut = self.model.fixed_scale
        scaled = relative(patches) if cut is None else patches
        heat = spread(scaled, field, *size)
        inside = [round(edge) for edge in field]
        left, top = max(0, inside[0]), max(0, inside[1])
        seen = heat[top : inside[3], left : inside[2]]
        found = find_regions(seen, "otsu" if cut is None else "fixed", cut or 0.0, MOST, LEAST)
        best = float(scaled.max()) if cut is not None else max((f.score for f in found), default=0.0)
        boxes, absent = [shifted(f, left, top) for f in found], None if cut is None else best <= cut
        boxes = [] if absent else boxes
        detail = {"field": [round(edge, 2) for edge in field]}
        scores = [f.score for f in found][: len(boxes)]
        return Seen(boxes, scores, absent, best, cut, heat, passes, detail=detail)


def relative(values: Heat) -> Heat:
    """Min–max to [0, 1]; zeros for a flat map, which points nowhere."""
    low, high = float(values.min()), float(values.max())
    return np.zeros_like(values) if high - low < 1e-9 else (values - low) / (high - low)


def shifted(found: HeatBox, x: float, y: float) -> Corners:
    """A region's corners, moved."""
    x0, y0, x1, y1 = found.corners
    return x0 + x, y0 + y, x1 + x, y1 + y
