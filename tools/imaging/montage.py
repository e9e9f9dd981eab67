"""From slice to slice: a view of another slice, of several slices in one picture, and of one of those.

Pure geometry, as in `views.py`; the tiles are filled when a view is rendered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View, ViewError, changed

MIN_TILE = 48
"""The least room, in pixels, for the longest side of a slice in a montage."""


def montage(view: View, image: SourceImage, slices: Sequence[int], max_side: int) -> View:
    """The region of a view on several slices of its plane, in one picture of at most ``max_side`` pixels.

    Raises IndexError when the image has no such slice, ViewError for none, for one twice or for too many.
    """
    wanted = tuple(slices)
    _check_slices(view, image, wanted)
    columns = math.ceil(math.sqrt(len(wanted)))
    rows = -(-len(wanted) // columns)
    tile_w, tile_h = _tile(view, max_side // columns, len(wanted), max_side)
    return changed(
        view,
        slices=wanted,
        columns=columns,
        slice_index=wanted[0],
        width=columns * tile_w,
        height=rows * tile_h,
        quarter_turns=0,
        flip=False,
        operation="montage of slices " + " ".join(map(str, wanted)),
    )


def single(view: View, slice_index: int) -> View:
    """One slice of a montage as a view of its own, at the tile's size."""
    if slice_index not in view.slices:
        raise ViewError(f"The montage does not show slice {slice_index}.")
    width, height = view.tile
    alone = {"slices": (), "columns": 0, "width": width, "height": height}
    return changed(view, **alone, slice_index=slice_index, operation=f"slice {slice_index} of a montage")


def at_slice(view: View, image: SourceImage, slice_index: int) -> View:
    """The same region of another slice. Raises IndexError when the image has no such slice."""
    if image.id != view.image_id:
        raise ViewError("The view shows another image.")
    image.check_slice(view.plane, slice_index)
    view = single(view, view.slices[0]) if view.slices else view
    return changed(view, slice_index=slice_index, operation=f"slice {slice_index}")


def _check_slices(view: View, image: SourceImage, wanted: tuple[int, ...]) -> None:
    if image.id != view.image_id:
        raise ViewError("The view shows another image.")
    if not wanted or len(set(wanted)) < len(wanted):
        raise ViewError("A montage needs at least one slice, and each once.")
    for index in wanted:
        image.check_slice(view.plane, index)


def _tile(view: View, room: int, count: int, max_side: int) -> tuple[int, int]:
    """(width, height) of a slice in that room, never larger than the view shows it."""
    if room < MIN_TILE:
        raise ViewError(f"{count} slices are too many for a montage of {max_side} pixels; give fewer.")
    width, height = view.tile if view.slices else view.upright_size
    scale = min(1.0, room / max(width, height))
    return max(1, int(width * scale)), max(1, int(height * scale))
