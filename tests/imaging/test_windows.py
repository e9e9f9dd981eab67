from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.tools.imaging.windows import PRESETS, Window, WindowError, apply_window, window_named


@given(st.lists(st.integers(-2000, 3000), min_size=2), st.sampled_from(sorted(PRESETS)))
def test_a_window_is_monotone_and_flat_outside(values: list[int], name: str) -> None:
    window = PRESETS[name]
    array = np.sort(np.array(values, np.int16))
    shown = apply_window(array, window).astype(int)
    assert (np.diff(shown) >= 0).all()
    assert (shown[array <= window.low] == 0).all() and (shown[array >= window.high] == 255).all()


def test_the_center_is_mid_gray_and_eight_bits_stay_as_they_are() -> None:
    assert apply_window(np.array([40], np.int16), Window(40, 400))[0] in (127, 128)
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(apply_window(every, Window(127.5, 255)), every)


def test_values_that_are_not_finite_become_black_or_white() -> None:
    shown = apply_window(np.array([np.nan, np.inf, -np.inf], np.float32), Window(0, 1))
    assert shown.tolist() == [0, 255, 0]


def test_presets_are_found_however_they_are_written() -> None:
    assert window_named("Soft_Tissue") == window_named(" soft-tissue ") == PRESETS["soft tissue"]
    with pytest.raises(WindowError, match="lung"):
        window_named("x-ray vision")


@pytest.mark.parametrize(("center", "width"), [(0, 0), (0, -1), (float("nan"), 1), (0, float("inf"))])
def test_a_window_that_cannot_be_is_an_error(center: float, width: float) -> None:
    with pytest.raises(WindowError):
        Window(center, width)
