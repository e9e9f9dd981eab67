"""The quality gate: laws of its verdict, and what it says of real slices and of what is none."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.evals.corruptions import CORRUPTIONS
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import open_image
from foveate.tools.imaging.quality import LIMITS, Limit, quality, quality_of
from foveate.tools.imaging.views import overview, render, zoom

DEMO = Path(__file__).resolve().parents[2] / "pocket" / "demo"
IMAGES = sorted([*DEMO.glob("*.nii.gz"), *DEMO.glob("*.dcm")])
ORDER = ["good", "usable", "reject"]
MEASURES = {
    "gaussian_noise": "noise",
    "shot_noise": "noise",
    "impulse_noise": "impulses",
    "gaussian_blur": "blur",
    "defocus_blur": "blur",
    "pixelate": "repeats",
}


def shown(path: Path) -> npt.NDArray[np.uint8]:
    """The middle of a demo image as it is shown, uint8 [row, col]."""
    image = open_image(path)
    pixels = np.asarray(render(overview(image, 4096), image).convert("L"))
    return pixels[: pixels.shape[0] // 8 * 8, : pixels.shape[1] // 8 * 8]


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_real_slices_are_good(path: Path) -> None:
    image = open_image(path)
    assert quality(overview(image, 512), image).verdict == "good"


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(IMAGES), st.sampled_from(["none", "gaussian_noise", "jpeg", "gaussian_blur"]),
    st.integers(0, 3), st.booleans(),
)  # fmt: skip
def test_mirroring_and_turning_change_no_verdict(path: Path, name: str, turns: int, flip: bool) -> None:
    picture = shown(path)
    if name != "none":
        picture = (CORRUPTIONS[name](picture / 255, 4) * 255).round().astype(np.uint8)
    turned = np.rot90(picture[:, ::-1] if flip else picture, turns)
    here, there = quality_of(picture), quality_of(np.ascontiguousarray(turned))
    assert (here.verdict, here.reasons) == (there.verdict, there.reasons)
    assert there.features == pytest.approx(here.features, rel=1e-2, abs=1e-4)


@pytest.mark.parametrize("name", MEASURES)
def test_worse_corruption_never_looks_better(name: str) -> None:
    picture = shown(DEMO / "liver_spleen.nii.gz")
    values, verdicts = [], []
    for severity in range(1, 6):
        found = quality_of((CORRUPTIONS[name](picture / 255, severity) * 255).round().astype(np.uint8))
        values.append(found.features[MEASURES[name]])
        verdicts.append(ORDER.index(found.verdict))
    assert all(later > earlier * 0.98 for earlier, later in pairwise(values)), values
    assert verdicts == sorted(verdicts)
    assert verdicts[-1] > 0, "severity 5 is no longer good"


@given(st.floats(-1, 2), st.floats(0, 1), st.booleans())
def test_a_limit_is_monotone(value: float, step: float, below: bool) -> None:
    limit = Limit(0.6, 0.3, below=True) if below else Limit(0.3, 0.6)
    worse = value - step if below else value + step
    assert ORDER.index(limit.verdict(worse)) >= ORDER.index(limit.verdict(value))


def test_what_shows_nothing_is_rejected_with_its_reason() -> None:
    flat = np.full((64, 64), 90, np.uint8)
    assert quality_of(flat).reasons[0] == "contrast" and quality_of(flat).verdict == "reject"
    static = np.random.default_rng(0).integers(0, 256, (128, 128)).astype(np.uint8)
    assert "noise" in quality_of(static).reasons
    tiny = np.random.default_rng(0).integers(0, 256, (9, 40)).astype(np.uint8)
    assert quality_of(tiny).reasons[0] == "resolution" and quality_of(tiny).verdict == "reject"


@pytest.mark.parametrize(
    ("name", "level"),
    [("gaussian_blur", 65.0), ("impulse_noise", 0.8), ("brightness_down", 0.005)],
)
def test_what_leaves_nothing_to_read_is_rejected(name: str, level: float) -> None:
    ruined = replace(CORRUPTIONS[name], levels=(level,))(shown(DEMO / "liver_spleen.nii.gz") / 255, 1)
    assert quality_of((ruined * 255).round().astype(np.uint8)).verdict == "reject"


def test_it_says_where() -> None:
    image = open_image(DEMO / "liver_spleen.nii.gz")
    spoiled = replace(image, pixels=image.pixels.copy())
    noise = np.random.default_rng(0).choice([-3000, 3000], (128, 128))
    spoiled.pixels[0, 256:384, 128:256] = noise
    found = quality(overview(spoiled, 512), spoiled)
    assert found.verdict == "usable" and "impulses" in found.reasons
    assert found.where == pytest.approx((128, 256, 256, 384), abs=1)
    view = overview(spoiled, 512)
    corner = zoom(view, view.frame.box(256, 0, 512, 200))
    assert "impulses" not in quality(corner, spoiled).reasons, "a view elsewhere is not to blame"


def test_a_colour_picture_and_a_record() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    image = SourceImage(np.kron(picture, np.ones((5, 5, 1), np.uint8))[None])
    told = quality(overview(image, 200), image).record()
    assert set(told["features"]) == set(LIMITS) and told["verdict"] in ORDER
