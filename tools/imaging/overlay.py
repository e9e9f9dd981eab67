"""Overlays: boxes with labels, and heat maps, drawn so that a person can read them on any picture.

It does not know where boxes come from or what they claim; it draws what it is given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from foveate.tools.imaging.frames import Box

Rectangle = tuple[float, float, float, float]

# after Okabe and Ito: told apart with any colour vision, and bright enough on dark anatomy
_COLORS = [(240, 228, 66), (86, 180, 233), (230, 159, 0), (0, 200, 150), (255, 130, 200), (255, 110, 60)]
_PLATE = (0, 0, 0, 190)
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
            raise ValueError(
                f"A box of frame {box.frame.id} cannot be drawn on a picture of {rgb.size} pixels."
            )
    side = max(rgb.size)
    factor = 1.0 if scale is None else scale
    line = max(1, round(side / 320 * factor))
    font = ImageFont.load_default(max(10.0, (6 + side / 56) * factor))
    shown = rgb.convert("RGB")
    draw = ImageDraw.Draw(shown, "RGBA")
    rectangles = [box.as_tuple() for box in boxes]
    for index, rectangle in enumerate(rectangles):
        _outline(draw, rectangle, _COLORS[index % len(_COLORS)], line)
    taken: list[Rectangle] = []
    for index, label in enumerate(labels):
        if label:
            plate = _label(draw, label, rectangles, index, font, line, taken)
            taken.append(plate)
    return shown


def blend_heatmap(rgb: Image.Image, heat: npt.NDArray[np.floating], strength: float = 0.6) -> Image.Image:
    """A copy of a picture under a heat map ``[row, col]`` of 0..1, the more opaque the hotter.

    A map of another size is stretched to the picture. Raises ValueError for values outside 0..1 or NaN.
    """
    if heat.ndim != 2 or not heat.size or not (np.nanmin(heat) >= 0 and np.nanmax(heat) <= 1):
        raise ValueError("A heat map has two dimensions and values from 0 to 1.")
    if np.isnan(heat).any():
        raise ValueError("A heat map must not hold NaN.")
    scaled = Image.fromarray(heat.astype(np.float32)).resize(rgb.size, Image.Resampling.BILINEAR)
    values = np.clip(np.asarray(scaled), 0.0, 1.0)
    colors = np.stack(
        [np.interp(values, _HEAT_STOPS, stops) for stops in zip(*_HEAT_COLORS, strict=True)], -1
    )
    opacity = (strength * values)[..., None]
    mixed = np.asarray(rgb.convert("RGB"), np.float32) * (1 - opacity) + colors * opacity
    return Image.fromarray((mixed + 0.5).astype(np.uint8))


def _outline(draw: ImageDraw.ImageDraw, box: Rectangle, color: tuple[int, int, int], line: int) -> None:
    """A bright line between two dark ones, outside the box so that what it points at stays visible."""
    x0, y0, x1, y1 = round(box[0]), round(box[1]), round(box[2]) - 1, round(box[3]) - 1
    x1, y1 = max(x0, x1), max(y0, y1)
    grown = line + 1
    draw.rectangle(
        (x0 - grown - 1, y0 - grown - 1, x1 + grown + 1, y1 + grown + 1), outline=(0, 0, 0), width=1
    )
    draw.rectangle((x0 - grown, y0 - grown, x1 + grown, y1 + grown), outline=color, width=line)
    draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=(0, 0, 0), width=1)


def _label(
    draw: ImageDraw.ImageDraw,
    label: str,
    boxes: Sequence[Rectangle],
    index: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    line: int,
    taken: Sequence[Rectangle],
) -> Rectangle:
    """Draws a label where it covers least; returns where its plate lies."""
    size = (draw.im.size[0], draw.im.size[1]) if draw.im is not None else (0, 0)
    text = _fitting(draw, " ".join(label.split()), size[0] - 6, font)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 6, bottom - top + 5
    plate = _place(boxes, index, (width, height), size, 2 * line + 3, taken)
    draw.rectangle(plate, fill=_PLATE)
    color = _COLORS[index % len(_COLORS)]
    draw.text((plate[0] + 3 - left, plate[1] + 2 - top), text, font=font, fill=color)
    return plate


def _fitting(
    draw: ImageDraw.ImageDraw, text: str, width: float, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> str:
    if draw.textlength(text, font=font) <= width:
        return text
    while len(text) > 1 and draw.textlength(text + "…", font=font) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _place(
    boxes: Sequence[Rectangle],
    index: int,
    plate: tuple[float, float],
    size: tuple[int, int],
    gap: float,
    taken: Sequence[Rectangle],
) -> Rectangle:
    """Of the places around the box (above first), the one that covers the least of labels and boxes."""
    (x0, y0, x1, y1), (width, height) = boxes[index], plate
    places = [
        (x0 - gap, y0 - gap - height),
        (x0 - gap, y1 + gap),
        (x1 + gap - width, y0 - gap - height),
        (x1 + gap - width, y1 + gap),
        (x1 + gap, y0),
        (x0 - gap - width, y0),
        (x0 + 2, y0 + 2),
    ]
    best, least = places[0], float("inf")
    for order, (left, top) in enumerate(places):
        inside = (
            min(max(left, 0.0), max(0.0, size[0] - width)),
            min(max(top, 0.0), max(0.0, size[1] - height)),
        )
        spot = (*inside, inside[0] + width, inside[1] + height)
        cost = 4 * sum(_shared(spot, other) for other in taken) + sum(_shared(spot, box) for box in boxes)
        cost += order  # a small preference in a tie
        if cost < least:
            best, least = inside, cost
    return (best[0], best[1], best[0] + width, best[1] + height)


def _shared(a: Rectangle, b: Rectangle) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
