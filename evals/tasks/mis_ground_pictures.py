"""mis-ground's pictures: a slice in either convention with the two structures marked in one of five ways.

Knows no question's words. Drawing happens on the picture that is shown, so that letters stand upright in
either convention.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from foveate.evals.tasks.labelled import LabelledVolume
from foveate.evals.tasks.mis_ground_items import Question
from foveate.evals.tasks.mis_ground_words import words
from foveate.evals.tasks.spatial import spot
from foveate.tools.imaging.render import render
from foveate.tools.imaging.views import overview

SIDE = 448
"""The longer side of a picture, in pixels."""
_TINT = 0.45
_GRAY = (127, 127, 127)
Mask = npt.NDArray[np.bool_]


def pictures(volume: LabelledVolume, question: Question) -> list[Image.Image]:
    """The RGB pictures of a question: none for text only, two for items across slices."""
    if question.control == "text":
        return []
    item = question.item
    labels = [[item.a, item.b]] if len(item.slices) == 1 else [[item.a], [item.b]]
    shown = []
    for place, index in enumerate(item.slices):
        picture, masks = slice_picture(
            volume, item.plane, index, question.convention == "storage", labels[place]
        )
        if question.control == "blank":
            picture = Image.new("RGB", picture.size, _GRAY)
        else:
            for k, mask in enumerate(masks):
                picture = _marked(picture, mask, question.mark, k + place)
        shown.append(picture)
    return shown


def slice_picture(
    volume: LabelledVolume, plane: str, index: int, storage: bool, labels: list[int]
) -> tuple[Image.Image, list[Mask]]:
    """The slice with square millimetres, and the labels' masks `[row, col]` of the picture's size."""
    view = overview(volume.image, SIDE, index, plane, upscale=True)
    picture = render(view, volume.image)
    here = volume.slice_labels(plane, index)
    masks = [_resized(here == label, picture.size) for label in labels]
    if not storage:
        return picture, masks
    turned = [np.asarray(Image.fromarray(mask).transpose(Image.Transpose.TRANSVERSE)) for mask in masks]
    return picture.transpose(Image.Transpose.TRANSVERSE), turned


def _resized(mask: npt.NDArray[Any], size: tuple[int, int]) -> Mask:
    return np.asarray(Image.fromarray(np.ascontiguousarray(mask)).resize(size, Image.Resampling.NEAREST))


def _marked(picture: Image.Image, mask: Mask, mark: str, which: int) -> Image.Image:
    """A copy with one structure marked; `which` is 0 for A and 1 for B."""
    picture = picture.copy()
    color = tuple(words()["marks"]["rgb"][which])
    draw = ImageDraw.Draw(picture)
    if mark == "mask":
        pixels = np.asarray(picture, np.float32).copy()
        pixels[mask] = (1 - _TINT) * pixels[mask] + _TINT * np.array(color, np.float32)
        return Image.fromarray((pixels + 0.5).astype(np.uint8))
    if mark == "box":
        rows, cols = np.nonzero(mask)
        draw.rectangle((cols.min(), rows.min(), cols.max(), rows.max()), outline=color, width=2)
    if mark == "point":
        x, y = spot(mask)
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=color, outline=(0, 0, 0))
    if mark == "letter":
        x, y = spot(mask)
        draw.text((x, y), words()["marks"]["letters"][which], anchor="mm", font=ImageFont.load_default(22),
                  fill=(255, 255, 0), stroke_width=2, stroke_fill=(0, 0, 0))  # fmt: skip
    return picture
