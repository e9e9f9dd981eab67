"""Views: what is shown of a source image, as pure geometry; the pixels come from the source at rendering.

A view knows its region of the source slice, its orientation, its size and its window. It does not hold
pixels and never resamples another view: a zoom of a zoom reads the source again. Views of other slices and of
several at once are made in `montage.py`.
"""

from __future__ import annotations

import json
from functools import cached_property
from hashlib import sha256

from pydantic import BaseModel, ConfigDict, computed_field

from foveate.tools.imaging.frames import Affine2D, Box, Frame, MontageFrame
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.render import render as render
from foveate.tools.imaging.windows import Window

MAX_VIEW_SIDE = 4096
"""The longest side, in pixels, that a view may have."""
MIN_REGION = 1e-3
"""The shortest side, in source pixels, that a view may look at."""


class ViewError(ValueError):
    """A view that cannot be made; one sentence that says why and what to do."""


class View(BaseModel):
    """A rectangle of one source slice, shown at ``width`` x ``height`` pixels.

    The region is resampled, mirrored left to right if ``flip``, then turned ``quarter_turns`` times
    clockwise. ``region`` and ``source_size`` are in source pixels; ``window`` is None for colour images
    only. ``id`` is a hash of what decides the pixels: two ways to the same picture give one id.
    ``parent`` and ``operation`` tell the way. A montage shows the region of several ``slices`` in equal
    tiles of ``columns`` columns, upright, each with its index drawn on it.
    """

    model_config = ConfigDict(frozen=True)

    image_id: str
    plane: str
    slice_index: int
    region: tuple[float, float, float, float]
    source_size: tuple[int, int]
    quarter_turns: int = 0
    flip: bool = False
    width: int
    height: int
    window: Window | None = None
    slices: tuple[int, ...] = ()
    columns: int = 0
    parent: str | None = None
    operation: str = "overview"

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def id(self) -> str:
        told = self.model_dump(mode="json", exclude={"id", "parent", "operation"})
        told["region"] = [round(value, 6) for value in self.region]
        if not self.slices:
            del told["slices"], told["columns"]  # names given before there were montages stay
        return "view-" + sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) before the quarter turns."""
        return (self.height, self.width) if self.quarter_turns % 2 else (self.width, self.height)

    @cached_property
    def frame(self) -> Frame:
        """The frame of this view; its affine leads to source pixels."""
        width, height = self.tile if self.slices else self.upright_size
        x0, y0, x1, y1 = self.region
        affine = Affine2D.scale_shift((x1 - x0) / width, (y1 - y0) / height, x0, y0)
        if self.flip:
            affine = affine @ Affine2D(-1.0, 0.0, width, 0.0, 1.0, 0.0)
        for _ in range(self.quarter_turns):
            # a clockwise quarter turn puts (u, v) at (height - v, u); this is the way back
            affine = affine @ Affine2D(0.0, 1.0, 0.0, -1.0, 0.0, height)
            width, height = height, width
        size = (float(self.source_size[0]), float(self.source_size[1]))
        place = (self.image_id, self.plane, self.slice_index, size)
        if self.slices:
            grid = (self.slices, self.columns, self.tile)
            return MontageFrame(self.id, self.width, self.height, affine, *place, *grid)
        return Frame(self.id, self.width, self.height, affine, *place)

    @property
    def tile(self) -> tuple[int, int]:
        """(width, height) in pixels of one slice of a montage."""
        return self.width // self.columns, self.height // -(-len(self.slices) // self.columns)


def overview(
    image: SourceImage,
    max_side: int,
    slice_index: int | None = None,
    plane: str | None = None,
    window: Window | None = None,
    upscale: bool = False,
) -> View:
    """The whole slice (the middle one by default) with square millimetres and no side above ``max_side``.

    Smaller images keep their size unless ``upscale``.
    """
    if max_side < 1:
        raise ViewError(f"A view with {max_side} pixels a side cannot be made; give 1 or more.")
    plane = plane or image.planes[0]
    index = image.slice_count(plane) // 2 if slice_index is None else slice_index
    image.check_slice(plane, index)
    if window is not None and image.color:
        raise ViewError("A colour image has no intensities to window; leave the window out.")
    width, height = image.plane_size(plane)
    row_mm, col_mm = image.plane_spacing(plane) or (1.0, 1.0)
    finest = min(row_mm, col_mm)
    shown_w, shown_h = width * col_mm / finest, height * row_mm / finest
    scale = max_side / max(shown_w, shown_h)
    scale = scale if upscale else min(scale, 1.0)
    out_w, out_h = _size(shown_w * scale, shown_h * scale)
    return View(
        image_id=image.id,
        plane=plane,
        slice_index=index,
        region=(0.0, 0.0, float(width), float(height)),
        source_size=(width, height),
        width=out_w,
        height=out_h,
        window=window or image.default_window,
    )


def crop(view: View, box: Box, margin: float = 0.0) -> View:
    """The box of a view at the scale of the view.

    ``margin`` adds that fraction of each side all around, as far as the source image reaches.
    """
    grown = _grow(view, box, margin)
    left, top, right, bottom = view.frame.affine.inverse().map_box(*grown)
    return _derive(view, grown, (right - left, bottom - top), f"crop {_show(box)}")


def zoom(view: View, box: Box | None, factor: float | None = None, target_side: int | None = None) -> View:
    """A closer look at a box, resampled from the source; aspect is kept.

    ``target_side`` sets the longest side in pixels; ``factor`` magnifies relative to this view; with
    neither the longest side stays that of the view. Without a box, ``factor`` (above 1) looks at the
    middle of the view at the view's own size.
    """
    own_side = max(view.width, view.height)
    if box is None:
        box = _middle(view, factor)
        target_side, factor = own_side if target_side is None else target_side, None
    if factor is not None and target_side is not None:
        raise ViewError("A zoom takes a factor or a target side, not both.")
    if factor is None:
        factor = (own_side if target_side is None else target_side) / max(box.width, box.height)
    if not 0 < factor < 1e6:
        raise ViewError(f"The zoom factor {factor:g} cannot be used: give a number above zero.")
    region = view.frame.to_source(box).as_tuple()
    return _derive(
        view, region, (box.width * factor, box.height * factor), f"zoom x{factor:.2g} {_show(box)}"
    )


def rewindow(view: View, window: Window) -> View:
    """The same view with other intensities. Raises ViewError for colour images."""
    if view.window is None:
        raise ViewError("A colour image has no intensities to window.")
    return changed(view, window=window, operation=f"window center {window.center:g} width {window.width:g}")


def flip_rotate(view: View, quarter_turns: int = 0, flip: bool = False) -> View:
    """The view as seen, mirrored left to right if ``flip``, then turned clockwise by quarter turns."""
    if view.slices:
        raise ViewError("A montage is not turned or mirrored; look at one of its slices.")
    # mirroring after a turn is turning the other way after mirroring
    turns = (quarter_turns - view.quarter_turns if flip else quarter_turns + view.quarter_turns) % 4
    width, height = (view.height, view.width) if quarter_turns % 2 else (view.width, view.height)
    words = ["flip"] * flip + [f"turn {quarter_turns % 4 * 90} degrees clockwise"] * bool(quarter_turns % 4)
    return changed(
        view,
        quarter_turns=turns,
        flip=view.flip != flip,
        width=width,
        height=height,
        operation=", ".join(words) or "unchanged",
    )


def _derive(
    view: View, region: tuple[float, float, float, float], size: tuple[float, float], operation: str
) -> View:
    if min(region[2] - region[0], region[3] - region[1]) < MIN_REGION:
        raise ViewError(
            f"The region {_numbers(region)} is smaller than any pixel can show; look at a larger one."
        )
    width, height = _size(*size)
    return changed(view, region=region, width=width, height=height, operation=operation)


def changed(view: View, **fields: object) -> View:
    """A view made from another one, with these fields of its own."""
    # model_copy would carry the cached id and frame of the parent along
    kept = {name: getattr(view, name) for name in View.model_fields}
    return View(**{**kept, "parent": view.id, **fields})


def _size(width: float, height: float) -> tuple[int, int]:
    size = max(1, round(width)), max(1, round(height))
    if max(size) > MAX_VIEW_SIDE:
        raise ViewError(
            f"A view of {size[0]}x{size[1]} pixels is too large: no side may exceed {MAX_VIEW_SIDE}."
        )
    return size


def _grow(view: View, box: Box, margin: float) -> tuple[float, float, float, float]:
    if not 0 <= margin <= 10:
        raise ViewError(f"The margin {margin:g} cannot be used: give a fraction of the box from 0 to 10.")
    source = view.frame.to_source(box)
    dx, dy = source.width * margin, source.height * margin
    width, height = source.frame.width, source.frame.height
    return (
        max(source.x0 - dx, 0.0),
        max(source.y0 - dy, 0.0),
        min(source.x1 + dx, width),
        min(source.y1 + dy, height),
    )


def _middle(view: View, factor: float | None) -> Box:
    if factor is None or not 1 <= factor < 1e6:
        raise ViewError("A zoom without a box needs a factor of 1 or more.")
    dx, dy = view.width / factor / 2, view.height / factor / 2
    cx, cy = view.width / 2, view.height / 2
    return view.frame.box(cx - dx, cy - dy, cx + dx, cy + dy)


def _show(box: Box) -> str:
    return _numbers(tuple(round(value) for value in box.as_tuple()))


def _numbers(values: tuple[float, ...]) -> str:
    return "[" + ", ".join(f"{value:.6g}" for value in values) + "]"


__all__ = [
    "MAX_VIEW_SIDE",
    "View",
    "ViewError",
    "changed",
    "crop",
    "flip_rotate",
    "overview",
    "render",
    "rewindow",
    "zoom",
]
