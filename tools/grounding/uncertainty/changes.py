"""Test-time augmentation: the same slice mirrored, nearer, off centre or at another scale, with the way back.

The slice itself is changed, not only its view: a grounder that turns views upright, or reads the whole slice,
would see nothing of a changed view. Mirrored, the patient's sides change places and so do the words for them.
Knows images and frames, no grounder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from foveate.tools.grounding.errors import GrounderError
from foveate.tools.imaging.frames import Affine2D, Box, BoxError
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

# the L of "L spine" is lumbar, not left
_SIDES = re.compile(r"\b(left|right|lt|rt|l(?![\s-]*spine)|r)\b", re.IGNORECASE)
_OTHER = {"left": "right", "right": "left", "lt": "rt", "rt": "lt", "l": "r", "r": "l"}


@dataclass(frozen=True)
class Change:
    """`field`: the share of the view's region that is kept, `at` where in it (0, 0 is top left); `scale`:
    what the millimetres of a pixel are multiplied by; `mirror`: left and right, in pixels and words."""

    name: str
    mirror: bool = False
    field: float = 1.0
    at: tuple[float, float] = (0.5, 0.5)
    scale: float = 1.0


AS_IT_IS = Change("as it is")
CHANGES = (
    AS_IT_IS,
    Change("mirrored", mirror=True),
    Change("nearer", field=0.94, scale=1.06),
    Change("top left", field=0.94, at=(0.0, 0.0), scale=0.94),
    Change("bottom right", field=0.94, at=(1.0, 1.0)),
)


@dataclass(frozen=True)
class Changed:
    """A changed slice as an image of its own, the view of it, and the map of its pixels to the source's."""

    image: SourceImage
    view: View
    to_source: Affine2D

    def back(self, box: Box, view: View) -> Box | None:
        """A box of the changed view in the original one; None where that does not show it."""
        x0, y0, x1, y1 = self.to_source.map_box(*box.to_source().as_tuple())
        try:
            return view.frame.from_source(view.frame.source.box(x0, y0, x1, y1))
        except BoxError:
            return None


def changed(image: SourceImage, view: View, change: Change) -> Changed:
    """The slice that a view shows, changed. Raises GrounderError for a montage, which shows several."""
    if view.slices:
        raise GrounderError("Uncertainty is of one slice; look at one of the montage's slices first.")
    if change == AS_IT_IS:
        return Changed(image, view, Affine2D.identity())
    pixels = image.plane_pixels(view.plane, view.slice_index)
    width, _ = image.plane_size(view.plane)
    to_source = Affine2D(-1.0, 0.0, float(width), 0.0, 1.0, 0.0) if change.mirror else Affine2D.identity()
    spacing, sides = image.plane_spacing(view.plane), image.sides(view.plane)
    slice_image = replace(
        image,
        pixels=np.ascontiguousarray((pixels[:, ::-1] if change.mirror else pixels)[None]),
        spacing_mm=None if spacing is None else (1.0, spacing[0] * change.scale, spacing[1] * change.scale),
        affine=None,
        volume=False,
        native_plane=view.plane,
        to_stored=None,
        stored_sides=None if sides is None else sides[:2],
        patient=None,
    )
    region = to_source.inverse().map_box(*_part(view.region, change))
    fields = {name: getattr(view, name) for name in View.model_fields}
    shown = {"image_id": slice_image.id, "slice_index": 0, "region": region}
    return Changed(slice_image, View(**{**fields, **shown, "operation": change.name}), to_source)


def reworded(phrase: str, change: Change) -> str:
    """The phrase for the changed slice: in a mirror image left is right."""
    if not change.mirror:
        return phrase
    return _SIDES.sub(lambda found: _cased(found[0], _OTHER[found[0].lower()]), phrase)


def _cased(like: str, word: str) -> str:
    return word.upper() if like.isupper() else word.capitalize() if like[0].isupper() else word


def _part(region: tuple[float, float, float, float], change: Change) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = region
    width, height = (x1 - x0) * change.field, (y1 - y0) * change.field
    left = x0 + (x1 - x0 - width) * change.at[0]
    top = y0 + (y1 - y0 - height) * change.at[1]
    return left, top, left + width, top + height
