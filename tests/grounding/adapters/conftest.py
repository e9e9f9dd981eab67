"""A picture that is not square, views of it that are turned and mirrored, and a way back to check boxes."""

from __future__ import annotations

import numpy as np
import pytest

from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View, crop, flip_rotate, overview, zoom

WIDTH, HEIGHT = 96, 60


@pytest.fixture(scope="session")
def picture() -> SourceImage:
    """96 x 60 grey; no sides are known, so that grounders read it as it is stored."""
    pixels = np.random.default_rng(0).integers(0, 255, (1, HEIGHT, WIDTH)).astype(np.uint8)
    return SourceImage(pixels)


@pytest.fixture(scope="session")
def views(picture: SourceImage) -> dict[str, View]:
    return views_of(picture)


def views_of(image: SourceImage) -> dict[str, View]:
    """A crop of 60 x 30 source pixels at (20, 10), shown at twice its size; the same turned, and mirrored."""
    whole = overview(image, WIDTH)
    part = zoom(crop(whole, whole.frame.box(20, 10, 80, 40)), None, factor=1)
    large = zoom(whole, whole.frame.box(20, 10, 80, 40), factor=2)
    assert (large.width, large.height) == (120, 60) and part.region == large.region
    return {"plain": large, "turned": flip_rotate(large, 1), "mirrored": flip_rotate(large, 0, True)}


def source_box(fractions: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Centre and size as fractions of the crop → corners in source pixels, by hand."""
    cx, cy, w, h = fractions
    return 20 + 60 * (cx - w / 2), 10 + 30 * (cy - h / 2), 20 + 60 * (cx + w / 2), 10 + 30 * (cy + h / 2)
