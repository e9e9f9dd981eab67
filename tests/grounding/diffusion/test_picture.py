"""Laws of the square that a denoiser sees, and of pictures that cannot be grounded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.tools.grounding.diffusion.picture import Square, grey_picture
from foveate.tools.grounding.errors import GrounderError

SIZES = st.integers(9, 150)


@settings(deadline=None, max_examples=60)
@given(SIZES, SIZES, st.sampled_from(["crop", "letterbox"]), st.floats(0.1, 0.9), st.floats(0.1, 0.9))
def test_a_spot_comes_back_where_it_was(height: int, width: int, fit: str, y: float, x: float) -> None:
    """A blurred spot put into the square and brought back has its centre within 2 % of the longer side."""
    square = Square(height, width, 64, fit)  # type: ignore[arg-type]
    rows, cols = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    edge = min(height, width)
    cy, cx = (height * y, width * x) if fit == "letterbox" else (
        height / 2 + (y - 0.5) * edge * 0.6, width / 2 + (x - 0.5) * edge * 0.6
    )  # fmt: skip
    wide = max(height, width) * 0.05 + 1
    spot = torch.exp(-((rows[:, None] - cy) ** 2 + (cols[None] - cx) ** 2) / (2 * wide**2))
    seen = square.put(spot)
    assert seen.shape == (1, 1, 64, 64)
    back = square.back(seen[0, 0])
    assert back.shape == (height, width)
    found = divmod(int(back.argmax()), width)
    reach = 0.02 * max(height, width) + 1.5
    assert abs(found[0] + 0.5 - cy) <= reach and abs(found[1] + 0.5 - cx) <= reach


@settings(deadline=None, max_examples=40)
@given(SIZES, SIZES)
def test_letterbox_sees_all_and_crop_leaves_a_margin_of_zeros(height: int, width: int) -> None:
    ones = torch.ones(64, 64)
    assert Square(height, width, 64, "letterbox").back(ones).min() > 0.999
    cropped = Square(height, width, 64, "crop").back(ones)
    edge = min(height, width)
    assert int(cropped.sum()) == edge * edge and set(cropped.unique().tolist()) <= {0.0, 1.0}


@given(SIZES, SIZES)
@settings(deadline=None, max_examples=30)
def test_mirroring_before_is_mirroring_after(height: int, width: int) -> None:
    square = Square(height, width, 32, "letterbox")
    heat = torch.rand(32, 32, generator=torch.Generator().manual_seed(height))
    if all((n - 32) % 2 == 0 for n in square.inner):  # else one side has a pixel more of padding
        torch.testing.assert_close(square.back(heat).flip(1), square.back(heat.flip(1)), atol=1e-5, rtol=0)


def test_eight_bit_and_float_and_colour_are_the_same_picture() -> None:
    eight = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    grey = grey_picture(eight, 8)
    torch.testing.assert_close(grey, grey_picture(eight / 255.0, 8))
    torch.testing.assert_close(grey, grey_picture(np.repeat(eight[..., None], 3, 2), 8), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (np.zeros((40, 40), np.uint8), "one colour"), (np.full((40, 40, 3), 0.5), "one colour"),
        (np.full((40, 40), np.nan), "not numbers"), (np.full((40, 40), np.inf), "not numbers"),
        (np.linspace(0, 2, 1600).reshape(40, 40), "outside 0 to 1"), (np.eye(7), "smaller than"),
        (np.zeros((4, 4, 4, 4)), "shape"), (np.zeros((40, 40, 4)), "shape"), (np.zeros((0, 40)), "smaller"),
    ],
)  # fmt: skip
def test_pictures_that_cannot_be_grounded(picture: np.ndarray, told: str) -> None:
    with pytest.raises(GrounderError, match=told) as refused:
        grey_picture(picture, 8)
    assert "\n" not in str(refused.value)
