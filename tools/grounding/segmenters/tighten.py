"""Box → mask → tightened box. Knows only the `Segmenter` protocol."""

from __future__ import annotations

from dataclasses import dataclass, replace

from foveate.tools.grounding.segmenters.protocol import Mask, Prompt, Segmenter
from foveate.tools.imaging.frames import Box
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View


@dataclass(frozen=True)
class Tightened:
    """`box` is the mask's own, or the one given where `kept` says why the mask's was not taken."""

    box: Box
    mask: Mask
    kept: str = ""


def tighten(
    segmenter: Segmenter, view: View, image: SourceImage, box: Box, phrase: str = "", least: float = 0.3
) -> Tightened:
    """The box round the mask of what is in a box of the view.

    A segmenter that takes boxes is asked with the box; one that takes text with the phrase, and its mask
    counts inside the box. A mask that is empty, or whose box overlaps the given one by less than `least`
    (IoU), is of something else: the given box stays, and `kept` says so. Raises GrounderError.
    """
    if "box" in segmenter.takes:
        mask = segmenter.segment(view, image, Prompt(box=box))
    else:
        mask = _within(segmenter.segment(view, image, Prompt(text=phrase)), box)
    tight = mask.box()
    if tight is None:
        return Tightened(box, mask, "the mask is empty")
    overlap = tight.iou(box)
    if overlap < least:
        return Tightened(box, mask, f"the mask's box overlaps by {overlap:.2f} only")
    return Tightened(tight, mask)


def _within(mask: Mask, box: Box) -> Mask:
    x0, y0, x1, y1 = (round(edge) for edge in box.as_tuple())
    inside = mask.pixels.copy()
    inside[:y0], inside[y1:], inside[:, :x0], inside[:, x1:] = False, False, False, False
    return replace(mask, pixels=inside)
