"""How far boxes agree: laws of the numbers, and the box that is chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.tools.grounding.uncertainty.agreement import Corners, agree_on
from foveate.tools.grounding.uncertainty.choose import choose
from foveate.tools.grounding.uncertainty.steady import steadiness

EDGE = st.integers(0, 60).map(float)
SIDE = st.integers(1, 40).map(float)
BOX = st.tuples(EDGE, EDGE, SIDE, SIDE).map(lambda t: (t[0], t[1], t[0] + t[2], t[1] + t[3]))
SAID = st.lists(st.tuples(st.none() | BOX, st.sampled_from([0.1, 0.5, 1.0])), min_size=1, max_size=8)
Said = list[tuple[Corners | None, float]]


@given(BOX, st.integers(1, 6))
def test_identical_hypotheses_agree_wholly(box: Corners, count: int) -> None:
    one = agree_on([box] * count)
    assert one.box == pytest.approx(box) and one.consensus == pytest.approx(1)
    assert one.variance == pytest.approx(0) and one.miss_rate == 0 and one.support == pytest.approx(1)


@given(SAID, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(said: Said, random: object) -> None:
    other = list(said)
    random.shuffle(other)  # type: ignore[attr-defined]
    a, b = (agree_on([box for box, _ in each], [w for _, w in each]) for each in (said, other))
    assert (a.box is None) == (b.box is None) and (a.box is None or a.box == pytest.approx(b.box))
    for name in ("consensus", "variance", "miss_rate", "support"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), abs=1e-9)


@given(SAID, st.sampled_from([0.25, 3.0, 17.0]), st.sampled_from([0.5, 1.0, 4.0]))
def test_scaling_all_boxes_changes_no_number(said: Said, across: float, down: float) -> None:
    def scaled(box: Corners | None) -> Corners | None:
        return box and (box[0] * across, box[1] * down, box[2] * across, box[3] * down)

    weights = [w for _, w in said]
    a, b = agree_on([box for box, _ in said], weights), agree_on([scaled(box) for box, _ in said], weights)
    assert b.box == (None if a.box is None else pytest.approx(scaled(a.box)))
    for name in ("consensus", "variance", "miss_rate", "support"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), abs=1e-9)


@given(SAID)
def test_shares_are_shares(said: Said) -> None:
    one = agree_on([box for box, _ in said], [w for _, w in said])
    assert 0 <= one.consensus <= 1 and 0 <= one.miss_rate <= 1 and 0 <= one.support <= 1 + 1e-9
    assert one.variance >= 0 and one.count == len(said)
    assert (one.box is None) == all(box is None for box, _ in said)


def test_two_of_three_outvote_a_stranger() -> None:
    one = agree_on([(0, 0, 10, 10), (2, 0, 12, 10), (50, 50, 60, 60), None])
    assert one.box == pytest.approx((1, 0, 11, 10)) and one.miss_rate == pytest.approx(0.25)
    assert one.consensus == pytest.approx((8 / 12) / 3) and one.support == pytest.approx(2 / 3)


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, float("nan")]])
def test_weights_that_are_none(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weight"):
        agree_on([(0, 0, 1, 1), (0, 0, 1, 1)], weights)


def test_the_map_decides_between_boxes_that_agree_as_much() -> None:
    low, high = (0.0, 0.0, 8.0, 8.0), (0.0, 4.0, 8.0, 12.0)
    heat = np.zeros((16, 16))
    heat[4:12, :8] = 1
    agreed = agree_on([low, high])
    assert choose([low, high], [1, 1], agreed, [heat], lambda *box: box, 2.0) == high
    assert choose([low, high], [1, 1], agreed, [heat[::-1]], lambda *box: box, 2.0) == high
    cold = np.zeros((16, 16))
    cold[:6, :8] = 1
    assert choose([low, high], [1, 1], agreed, [cold], lambda *box: box, 2.0) == low
    assert choose([None], [1], agree_on([None]), [heat], lambda *box: box, 1.0) is None


def test_steep_edges_are_steady_and_a_slope_is_not() -> None:
    steep, slope = np.full((20, 20), 0.01), np.tile(np.linspace(0.01, 0.99, 20), (20, 1))
    steep[5:12, 4:16] = 0.95
    assert steadiness([steep]) == pytest.approx(1) and 0 < steadiness([slope]) < 0.8
    assert steadiness([steep, slope]) == pytest.approx((1 + steadiness([slope])) / 2)
    assert steadiness([]) == 0 and steadiness([np.full((20, 20), 0.01)]) == 0


@given(st.integers(0, 10**6), st.sampled_from([2, 3]))
def test_a_larger_map_is_as_steady(seed: int, times: int) -> None:
    coarse = np.random.default_rng(seed).uniform(0, 1, (4, 4)).repeat(4, 0).repeat(4, 1)
    large = coarse.repeat(times, 0).repeat(times, 1)
    assert steadiness([large]) == pytest.approx(steadiness([coarse]), abs=1e-9)
    assert 0 <= steadiness([coarse]) <= 1
