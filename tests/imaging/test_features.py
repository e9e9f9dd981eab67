"""The quick features against the forms that they were published in, by scikit-image's and scipy's filters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.measure import blur_effect

from foveate.evals.corruptions import CORRUPTIONS
from foveate.tools.imaging import features
from foveate.tools.imaging.features import Gray
from foveate.tools.imaging.open import open_image
from foveate.tools.imaging.quality import LIMITS
from foveate.tools.imaging.views import overview, render

DEMO = Path(__file__).resolve().parents[2] / "pocket" / "demo"
IMAGES = sorted([*DEMO.glob("*.nii.gz"), *DEMO.glob("*.dcm")])
IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
PICTURES = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=8, max_side=24))
"""Any at all: noise mostly."""


def slow_blur(gray: Gray) -> float:
    scales = [gray / 255]
    if min(gray.shape) >= 256:
        scales.append(features.blocks(gray, 4).mean(axis=(1, 3)) / 255)
    return max(float(blur_effect(each, h_size=11, channel_axis=None)) for each in scales)


def slow_noise(gray: Gray) -> float:
    shares = gray / 255
    answer = np.abs(ndimage.convolve(shares, IMMERKAER, mode="reflect"))
    rows, cols = features.content(gray)
    between = (shares > 0.02) & (shares < 0.98)
    inside = answer[rows, cols][between[rows, cols]]
    return float(np.median(inside)) / (0.6745 * 6) if inside.size >= 64 else 0.0


def slow_impulses(gray: Gray) -> float:
    shares = gray / 255
    far = np.abs(shares - ndimage.median_filter(shares, 3)) > 0.25
    return float((far & ((shares < 0.02) | (shares > 0.98))).mean())


def slow_repeats(gray: Gray) -> float:
    shares = gray / 255
    varied = ndimage.maximum_filter(shares, 9) - ndimage.minimum_filter(shares, 9) > 0.04
    between = varied & (shares > 0.02) & (shares < 0.98)
    if between.mean() < 0.05:
        return 0.0
    down, right = (np.diff(shares, axis=axis) == 0 for axis in (0, 1))
    return min(float(down[between[:-1]].mean()), float(right[between[:, :-1]].mean()))


def slow_contrast(gray: Gray) -> float:
    low, high = np.percentile(gray / 255, [0.1, 99.9])
    return float(high - low)


SLOW: dict[str, Callable[[Gray], float]] = {
    "contrast": slow_contrast,
    "blur": slow_blur,
    "noise": slow_noise,
    "impulses": slow_impulses,
    "repeats": slow_repeats,
}


@pytest.mark.parametrize("name", ["none", "gaussian_noise", "impulse_noise", "gaussian_blur", "pixelate"])
@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_the_quick_form_measures_and_decides_as_the_slow_one(path: Path, name: str) -> None:
    image = open_image(path)
    picture = np.asarray(render(overview(image, 512), image).convert("L")) / 255.0
    for severity in (1, 3, 5) if name != "none" else (0,):
        spoiled = CORRUPTIONS[name](picture, severity) if severity else picture
        gray = features.gray_of((spoiled * 255).round().astype(np.uint8))
        quick = features.features_of(gray)
        for feature, slow in SLOW.items():
            value = slow(gray)
            assert quick[feature] == pytest.approx(value, rel=0.03, abs=2e-3), feature
            assert LIMITS[feature].verdict(quick[feature]) == LIMITS[feature].verdict(value), feature


@settings(deadline=None, max_examples=60)
@given(PICTURES)
def test_ranks_are_exact_on_any_picture(gray: Gray) -> None:
    far = np.abs(gray.astype(int) - ndimage.median_filter(gray, 3))
    assert np.array_equal(features.roughness(gray), far)
    assert features.impulses(gray) == slow_impulses(gray)
    assert features.repeats(gray) == pytest.approx(slow_repeats(gray))


@settings(deadline=None, max_examples=60)
@given(PICTURES, st.integers(0, 3), st.booleans())
def test_turning_and_mirroring_change_no_feature(gray: Gray, turns: int, flip: bool) -> None:
    turned = np.ascontiguousarray(np.rot90(gray[:, ::-1] if flip else gray, turns))
    for name in ("contrast", "blur", "noise", "impulses", "clipping", "border"):
        here, there = features.features_of(gray)[name], features.features_of(turned)[name]
        assert there == pytest.approx(here, rel=1e-3, abs=1e-5), name


@given(PICTURES)
def test_shares_are_shares(gray: Gray) -> None:
    found = features.features_of(gray)
    assert all(0 <= found[name] <= 1 for name in ("blur", "impulses", "repeats", "clipping", "border"))
    assert found["noise"] >= 0 and found["blockiness"] >= 1
