"""Images with their content taken away: blank, noise, mirrored, or with boxes painted over.

Geometry and window stay. Boxes are in source pixels of their slice. Knows no run and no metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from foveate.evals.contract.questions import Corners, Question, Region
from foveate.evals.scoring.boxes import overlaps
from foveate.tools.imaging.image import SourceImage

TRIES = 60
"""Places that are tried for a box before the least bad one is taken."""


def blank(image: SourceImage, question: Question, number: int) -> SourceImage:
    """Every pixel at the middle of the window."""
    window = image.default_window
    value = 127 if image.color or window is None else window.center
    return replace(image, pixels=np.full_like(image.pixels, _fitting(image.pixels, value)))


def noise(image: SourceImage, question: Question, number: int) -> SourceImage:
    """Each slice's pixels in one random order: its intensities without its structure."""
    slices = image.pixels.reshape(image.n_slices, -1, *image.pixels.shape[3:])
    order = np.random.default_rng(0).permutation(slices.shape[1])
    return replace(image, pixels=slices[:, order].reshape(image.pixels.shape))


def mirrored(image: SourceImage, question: Question, number: int) -> SourceImage:
    """Left and right exchanged; what the file says about sides stays."""
    return replace(image, pixels=np.ascontiguousarray(image.pixels[:, :, ::-1]))


def masked(image: SourceImage, regions: Sequence[Region], number: int) -> SourceImage:
    """The boxes of that image painted over with the mean of the pixels around them."""
    made = replace(image, pixels=image.pixels.copy())
    for region in regions:
        if region.image == number:
            for index in range(region.slice_index, region.slice_stop or region.slice_index + 1):
                _paint(made.plane_pixels(region.plane or made.planes[0], index), region.box)
    return made


def moved(image: SourceImage, regions: Sequence[Region], number: int, question: Question) -> list[Region]:
    """The boxes at random places of their slices, of the same size, clear of all boxes if there is room."""
    rng = np.random.default_rng(int(sha256(question.id.encode()).hexdigest()[:8], 16))
    here = [region for region in regions if region.image == number]
    return [_moved(region, image.plane_size(region.plane or image.planes[0]), here, rng) for region in here]


def _moved(
    region: Region, size: tuple[int, int], others: Sequence[Region], rng: np.random.Generator
) -> Region:
    x0, y0, x1, y1 = region.box
    best: tuple[float, Region] | None = None
    for _ in range(TRIES):
        left, top = rng.uniform(0, max(size[0] - (x1 - x0), 0)), rng.uniform(0, max(size[1] - (y1 - y0), 0))
        tried = replace(region, box=(left, top, left + x1 - x0, top + y1 - y0))
        covered = float(overlaps([tried], list(others)).max())
        if best is None or covered < best[0]:
            best = covered, tried
        if covered == 0:
            break
    assert best is not None
    return best[1]


def _paint(plane: npt.NDArray[Any], box: Corners) -> None:
    """Paints in place; a box reaches every pixel that it touches."""
    height, width = plane.shape[:2]
    x0, y0 = int(np.floor(box[0])), int(np.floor(box[1]))
    x1, y1 = min(int(np.ceil(box[2])), width), min(int(np.ceil(box[3])), height)
    rim = max(2, (x1 - x0 + y1 - y0) // 16)
    around = np.zeros((height, width), bool)
    around[max(y0 - rim, 0) : y1 + rim, max(x0 - rim, 0) : x1 + rim] = True
    around[y0:y1, x0:x1] = False
    source = plane[around] if around.any() else plane.reshape(-1, *plane.shape[2:])
    plane[y0:y1, x0:x1] = _fitting(plane, source.mean(axis=0))


def _fitting(pixels: npt.NDArray[Any], value: Any) -> Any:
    if pixels.dtype.kind == "f":
        return np.asarray(value, pixels.dtype)
    limits = np.iinfo(pixels.dtype)
    return np.clip(np.rint(value), limits.min, limits.max).astype(pixels.dtype)
