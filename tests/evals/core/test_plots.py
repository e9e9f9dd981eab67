"""The drawings of a report: axes with round numbers, and a legend that shows each series."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.report.plots import _round_steps, curve


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e4))
def test_steps_are_round_few_and_inside(low: float, width: float) -> None:
    steps = _round_steps(low, low + width)
    assert 3 <= len(steps) <= 11
    assert all(low - 1e-6 * width <= each <= low + width * (1 + 1e-6) for each in steps)
    widths = [f"{b - a:.5e}" for a, b in pairwise(steps)]
    digits = {width.split("e")[0].rstrip("0.") for width in widths}
    assert digits <= {"1", "2", "5"}


@pytest.mark.parametrize(
    ("top", "told"), [(0.4, ["0", "0.1", "0.2", "0.3", "0.4"]), (1.0, ["0", "0.2", "1"])]
)
def test_a_curve_has_round_ticks_and_its_single_point_is_one(top: float, told: list[str]) -> None:
    points = [(i / 100, 0.2) for i in range(1, 101)]
    svg = curve([("line", points), ("point", [(0.8, 0.1)])], "x", "y", top)
    texts = re.findall(r">([^<]*)</text>", svg)
    assert set(told) <= set(texts) and "0.8" in texts and {"line", "point"} <= set(texts)
    assert svg.count("<circle") == 2  # its mark in the plot and the one beside its name
