"""Laws of the corruptions: same shape, 0 to 1, same every time, and worse with severity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foveate.evals import robustness
from foveate.evals.contract.questions import Question
from foveate.evals.corruptions import CORRUPTIONS, Picture, gaussian_blur
from foveate.evals.inspect.errors import EvalInputError
from foveate.tools.imaging.open import open_image
from foveate.tools.imaging.views import overview, render

DEMO = Path(__file__).parents[3] / "pocket" / "demo" / "upper_abdomen.dcm"


@pytest.fixture(scope="module")
def gray() -> Picture:
    image = open_image(DEMO)
    shown = render(overview(image, 160), image).convert("L")
    return 0.15 + 0.7 * np.asarray(shown, np.float64) / 255


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_shape_range_and_determinism(name: str, gray: Picture) -> None:
    picture = np.stack([gray, gray * 0.8, gray * 0.5], -1) if CORRUPTIONS[name].color else gray
    made = CORRUPTIONS[name](picture, 3)
    assert made.shape == picture.shape and made.min() >= 0 and made.max() <= 1
    assert np.array_equal(made, CORRUPTIONS[name](picture, 3)) and not np.array_equal(made, picture)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_five_is_farther_from_the_picture_than_one(name: str, gray: Picture) -> None:
    picture = np.stack([gray, gray * 0.8, gray * 0.5], -1) if CORRUPTIONS[name].color else gray
    far = [np.abs(CORRUPTIONS[name](picture, severity) - picture).mean() for severity in (1, 5)]
    assert far[1] > far[0]


def test_kernels_grow_with_the_picture() -> None:
    """A dot blurred on a picture of twice the side is spread twice as wide."""
    spreads = []
    for side in (224, 448):
        dot = np.zeros((side, side))
        dot[side // 2, side // 2] = 1
        made = gaussian_blur(dot, 9, side / 224, np.random.default_rng(0))
        rows = np.arange(side) - side // 2
        spreads.append(np.sqrt((made.sum(axis=1) * rows**2).sum() / made.sum()))
    assert spreads[1] / spreads[0] == pytest.approx(2, rel=0.05)


def test_a_volume_keeps_its_intensities_kind_and_geometry() -> None:
    image = open_image(DEMO)
    question = Question("q", (), "?", "boxes", "c")
    made = robustness.corrupted(image, question, 0, corruption=CORRUPTIONS["gaussian_noise"], severity=1)
    assert made.pixels.dtype == image.pixels.dtype and made.pixels.shape == image.pixels.shape
    assert made.spacing_mm == image.spacing_mm and made.id != image.id
    window = image.default_window
    assert window is not None
    low, high = window.center - window.width / 2, window.center + window.width / 2
    seen = np.clip(image.pixels.astype(float), low, high)
    assert np.abs(made.pixels - seen).mean() == pytest.approx(0.04 * window.width * 0.8, rel=0.4)


def test_what_can_be_chosen() -> None:
    named = [variant.name for variant in robustness.variants(["jpeg", "jpeg:2", "zoom_blur:1"], color=False)]
    assert named == ["jpeg-1", "jpeg-2", "jpeg-3", "jpeg-4", "jpeg-5", "zoom_blur-1"]
    whole = {variant.name.split("-")[0] for variant in robustness.variants(["all:1"], color=False)}
    assert "zoom_blur" not in whole and "saturate" not in whole and "black_corner" in whole
    for bad, why in (("fog", "no corruption"), ("jpeg:9", "1 to 5"), ("saturate", "colour")):
        with pytest.raises(EvalInputError, match=why):
            robustness.variants([bad], color=False)
