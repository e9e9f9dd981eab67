"""Overlays: boxes with labels, and heat maps, drawn so that a person can read them on any picture.

It does not know where boxes come from or what they claim; it draws what it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from foveate.tools.imaging.frames import Box

Rectangle = tuple[float, float, float, float]

# after Okabe and Ito: told apart with any colour vision, and bright enough on dark anatomy
_COLORS = [(240, 228, 66), (86, 180, 233), (230, 159, 0), (0, 200, 150), (255, 130, 200), (255, 110, 60)]
_DARK = (0, 0, 0)
_PLATE = (0, 0, 0, 215)
_HEAT_STOPS = [0.0, 0.25, 0.5, 0.75, 1.0]  # dark violet to light yellow, as matplotlib's inferno runs
_HEAT_COLORS = [(20, 11, 53), (120, 28, 109), (207, 68, 70), (251, 155, 6), (252, 255, 164)]


def draw_boxes(
    rgb: Image.Image, boxes: Sequence[Box], labels: Sequence[str] = (), scale: float | None = None
) -> Image.Image:
    """A copy of a picture with outlined boxes and their labels; an empty label draws the outline only.

    boxes are in the picture's pixels (a frame of its size), else ValueError. Lines and letters grow with the
    picture; ``scale`` multiplies that.
    """
    if labels and len(labels) != len(boxes):
        raise ValueError(f"{len(boxes)} boxes came with {len(labels)} labels.")
    for box in boxes:
        if (box.frame.width, box.frame.height) != rgb.size:
            raise ValueError(f"A box of frame {box.frame.id} does not fit a picture of {rgb.size} pixels.")
    pen = _Pen.of(rgb, 1.0 if scale is None else scale)
    rectangles = [box.as_tuple() for box in boxes]
    for index, rectangle in enumerate(rectangles):
        _outline(pen, rectangle, _COLORS[index % len(_COLORS)])
    taken: list[Rectangle] = []
    for index, label in enumerate(labels):
        if label:
            taken.append(_label(pen, label, rectangles, index, taken))
    return pen.picture


def blend_heatmap(rgb: Image.Image, heat: npt.NDArray[np.floating], strength: float = 0.6) -> Image.Image:
    """A copy of a picture under a heat map ``[row, col]`` of 0..1, the more opaque the hotter.

    A map of another size is stretched to the picture. Raises ValueError for values outside 0..1 or NaN.
    """
    if heat.ndim != 2 or not heat.size or not ((heat >= 0) & (heat <= 1)).all():  # NaN fails both
        raise ValueError("A heat map has two dimensions and values from 0 to 1.")
    scaled = Image.fromarray(heat.astype(np.float32)).resize(rgb.size, Image.Resampling.BILINEAR)
    values = np.clip(np.asarray(scaled), 0.0, 1.0)
    channels = zip(*_HEAT_COLORS, strict=True)
    colors = np.stack([np.interp(values, _HEAT_STOPS, channel) for channel in channels], -1)
    opacity = (strength * values)[..., None]
    mixed = np.asarray(rgb.convert("RGB"), np.float32) * (1 - opacity) + colors * opacity
    return Image.fromarray((mixed + 0.5).astype(np.uint8))


@dataclass(frozen=True)
class _Pen:
    """A copy of a picture that is drawn on, with lines and letters that suit its size."""

    picture: Image.Image
    draw: ImageDraw.ImageDraw
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    line: int

    @staticmethod
    def of(rgb: Image.Image, scale: float) -> _Pen:
        side = max(rgb.size)
        picture = rgb.convert("RGB") if rgb.mode != "RGB" else rgb.copy()
        font = ImageFont.load_default(max(10.0, (6 + side / 56) * scale))
        return _Pen(picture, ImageDraw.Draw(picture, "RGBA"), font, max(1, round(side / 320 * scale)))


def _outline(pen: _Pen, box: Rectangle, color: tuple[int, int, int]) -> None:
    """A bright line between two dark ones, outside the box so that what it points at stays visible."""
    x0, y0 = round(box[0]), round(box[1])
    x1, y1 = max(x0, round(box[2]) - 1), max(y0, round(box[3]) - 1)
    width, height = pen.picture.size
    for grown, paint, thick in ((pen.line + 2, _DARK, 1), (1, _DARK, 1), (pen.line + 1, color, pen.line)):
        # at the picture's edge the line comes inside rather than being lost
        left, top = min(max(x0 - grown, 0), width - 1), min(max(y0 - grown, 0), height - 1)
        right, bottom = min(x1 + grown, width - 1), min(y1 + grown, height - 1)
        pen.draw.rectangle((left, top, max(left, right), max(top, bottom)), outline=paint, width=thick)


def _label(
    pen: _Pen, label: str, boxes: Sequence[Rectangle], index: int, taken: Sequence[Rectangle]
) -> Rectangle:
    """Draws a label where it covers least; returns where its plate lies."""
    text = _fitting(pen, " ".join(label.split()))
    left, top, right, bottom = pen.draw.textbbox((0, 0), text, font=pen.font)
    plate = _place(pen, boxes, index, (right - left + 6, bottom - top + 5), taken)
    pen.draw.rectangle(plate, fill=_PLATE)
    color = _COLORS[index % len(_COLORS)]
    pen.draw.text((plate[0] + 3 - left, plate[1] + 2 - top), text, font=pen.font, fill=color)
    return plate


def _fitting(pen: _Pen, text: str) -> str:
    room = pen.picture.size[0] - 6
    if pen.draw.textlength(text, font=pen.font) <= room:
        return text
    text = text[:400]
    while len(text) > 1 and pen.draw.textlength(text + "…", font=pen.font) > room:
        text = text[:-1]
    return text.rstrip() + "…"


def _place(
    pen: _Pen,
    boxes: Sequence[Rectangle],
    index: int,
    plate: tuple[float, float],
    taken: Sequence[Rectangle],
) -> Rectangle:
    """Of the places around the box (above first), the one that covers the least of labels and boxes."""
    (x0, y0, x1, y1), (width, height), gap = boxes[index], plate, 2 * pen.line + 3
    places = [
        (x0 - gap, y0 - gap - height),
        (x0 - gap, y1 + gap),
        (x1 + gap - width, y0 - gap - height),
        (x1 + gap - width, y1 + gap),
        (x1 + gap, y0),
        (x0 - gap - width, y0),
        (x0 + 2, y0 + 2),
    ]
    free_x, free_y = max(0.0, pen.picture.size[0] - width), max(0.0, pen.picture.size[1] - height)
    spots = [(min(max(left, 0.0), free_x), min(max(top, 0.0), free_y)) for left, top in places]
    plates = [(left, top, left + width, top + height) for left, top in spots]
    # labels count four times: a covered label is lost, a covered corner is not; min keeps the first of equals
    return min(plates, key=lambda spot: 4 * _covered(spot, taken) + _covered(spot, boxes))


def _covered(spot: Rectangle, others: Sequence[Rectangle]) -> float:
    return sum(
        max(0.0, min(spot[2], other[2]) - max(spot[0], other[0]))
        * max(0.0, min(spot[3], other[3]) - max(spot[1], other[1]))
        for other in others
    )
