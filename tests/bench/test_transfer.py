"""The made modality: it lies where its labels say, and is no function of the first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from foveate.evals.bench.modality import box_of, second
from foveate.tools.imaging.frames import Affine2D
from foveate.tools.imaging.open import open_image

DEMO = Path(__file__).resolve().parents[2] / "pocket" / "demo"


@pytest.mark.parametrize("bend", [0.0, 6.0])
def test_the_labels_lie_where_the_rigid_part_and_the_bend_put_them(bend: float) -> None:
    image = open_image(DEMO / "liver_spleen.nii.gz")
    labels = np.zeros(image.pixels.shape[1:], np.int64)
    labels[200:360, 110:270], labels[260:370, 300:390] = 1, 2
    made = second(image, labels, bend, np.random.default_rng(0))
    assert made.rigid != Affine2D.identity() and made.image.modality == "MR"
    row, col = image.plane_spacing("axial") or (0, 0)
    for label in (1, 2):
        source, there = box_of(labels == label), box_of(made.labels == label)
        assert source is not None and there is not None
        (x0, y0, x1, y1), (a, b, c, d) = source, there
        middle = made.rigid.apply((x0 + x1) / 2, (y0 + y1) / 2)
        off = np.subtract(middle, ((a + c) / 2, (b + d) / 2))
        assert np.abs(off).max() <= bend / min(row, col) + 1.5
    again = second(image, labels, bend, np.random.default_rng(0))
    assert np.array_equal(again.image.pixels, made.image.pixels)


def test_one_intensity_of_the_first_becomes_many() -> None:
    image = open_image(DEMO / "liver_spleen.nii.gz")
    labels = np.zeros(image.pixels.shape[1:], np.int64)
    labels[200:360, 110:270], labels[260:370, 300:390] = 1, 2
    made = second(image, labels, 0.0, np.random.default_rng(1))
    one, two = (
        np.median(made.image.pixels[0][ndimage.binary_erosion(made.labels == label, iterations=4)])
        for label in (1, 2)
    )
    before = [np.median(image.pixels[0][labels == label]) for label in (1, 2)]
    assert abs(one - two) > 50, "liver and spleen are told apart"
    assert abs(before[0] - before[1]) < 60, "though they hardly differ in HU"


def test_an_empty_mask_has_no_box() -> None:
    assert box_of(np.zeros((4, 4), bool)) is None
