"""Rendering: the pixels of a view, resampled once from the source.

It does not know files or models. The window is applied to source intensities before anything is resampled.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.windows import apply_window

if TYPE_CHECKING:
    from foveate.tools.imaging.views import View

_LANCZOS_REACH = 3.0
_TURNS = {1: Image.Transpose.ROTATE_270, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_90}


def render(view: View, image: SourceImage) -> Image.Image:
    """RGB picture of ``view.width`` x ``view.height``; antialiased (Lanczos) when shrinking, else bicubic.

    Raises ValueError when the view shows another image.
    """
    if view.image_id != image.id:
        raise ValueError("The view shows another image than the one given.")
    if view.slices:
        return _montage(view, image)
    picture = _resample(view, image.plane_pixels(view.plane, view.slice_index), view.upright_size)
    if view.flip:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if view.quarter_turns:
        picture = picture.transpose(_TURNS[view.quarter_turns])
    return picture.convert("RGB")


def _montage(view: View, image: SourceImage) -> Image.Image:
    """The tiles row by row, each with its slice index in its top left corner."""
    width, height = view.tile
    whole = Image.new("RGB", (view.width, view.height))
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(max(10.0, min(width, height) / 10))
    for place, index in enumerate(view.slices):
        row, col = divmod(place, view.columns)
        tile = _resample(view, image.plane_pixels(view.plane, index), (width, height)).convert("RGB")
        whole.paste(tile, (col * width, row * height))
        corner = (col * width + 2, row * height + 1)
        draw.text(corner, str(index), fill=(255, 255, 0), font=font, stroke_width=1, stroke_fill=(0, 0, 0))
    return whole


def _resample(view: View, pixels: npt.NDArray[Any], size: tuple[int, int]) -> Image.Image:
    x0, y0, x1, y1 = view.region
    width, height = size
    shrinks = x1 - x0 > width or y1 - y0 > height
    left, right = _reach(x0, x1, width, pixels.shape[1])
    top, bottom = _reach(y0, y1, height, pixels.shape[0])
    part = pixels[top:bottom, left:right]
    if part.ndim == 2 and view.window is not None:
        part = apply_window(part, view.window)
    picture = Image.fromarray(np.ascontiguousarray(part))
    box = (x0 - left, y0 - top, min(x1 - left, right - left), min(y1 - top, bottom - top))
    if box == (0, 0, width, height) and picture.size == (width, height):
        return picture
    method = Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC
    # a reducing gap of 3 is indistinguishable and spares very large pictures most of the work
    return picture.resize((width, height), method, box=box, reducing_gap=3.0 if shrinks else None)


def _reach(low: float, high: float, out: int, size: int) -> tuple[int, int]:
    """The source pixels that the filter can touch: the part that has to be windowed at all."""
    reach = _LANCZOS_REACH * max(1.0, (high - low) / out) + 1
    return max(0, math.floor(low - reach)), min(size, math.ceil(high + reach))
