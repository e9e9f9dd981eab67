"""The Hungarian matching against all permutations, and that spraying never pays."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foveate.evals.metrics.boxes import iou_matrix
from foveate.evals.metrics.matching import Counts, count_matches, match, matched_mean

from .strategies import box_lists, boxes

tables = hnp.arrays(
    np.float64,
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    elements=st.integers(0, 10).map(lambda v: v / 10),
)


@given(tables)
def test_the_sum_is_the_best_of_all_pairings(table):
    narrow = table if table.shape[0] <= table.shape[1] else table.T
    rows, cols = narrow.shape
    best = max(sum(narrow[r, c] for r, c in enumerate(p)) for p in permutations(range(cols), rows))
    pairs = match(table)
    assert sum(table[pair] for pair in pairs) == pytest.approx(best)
    assert len({r for r, _ in pairs}) == len({c for _, c in pairs}) == len(pairs)


@given(tables, st.floats(0, 1))
def test_counts_add_up_and_fall_with_the_threshold(table, least):
    counts = count_matches(table, least)
    assert counts.true_positives + counts.false_positives == table.shape[0]
    assert counts.true_positives + counts.misses == table.shape[1]
    assert counts.true_positives <= count_matches(table, least / 2).true_positives
    assert all(table[pair] >= least for pair in match(table, least))


@given(box_lists(4), box_lists(4), st.randoms())
def test_order_is_of_no_account(given_boxes, truth, random):
    value = matched_mean(iou_matrix(given_boxes, truth))
    mixed = random.sample(given_boxes, len(given_boxes))
    assert matched_mean(iou_matrix(mixed, truth)) == pytest.approx(value)
    assert matched_mean(iou_matrix(truth, given_boxes)) == pytest.approx(value)
    assert 0 <= value <= 1


@given(boxes(), st.integers(1, 6))
def test_repeating_a_right_box_divides_its_score(truth, copies):
    overlaps = iou_matrix([truth] * copies, [truth])
    assert matched_mean(overlaps) == pytest.approx(1 / copies)
    counts = count_matches(overlaps, 0.5)
    assert (counts.precision, counts.recall) == (1 / copies, 1)


@given(boxes())
def test_a_grid_of_boxes_scores_less_than_its_best_box(truth):
    grid = [(x, y, x + 4, y + 4) for x in (0, 4, 8) for y in (0, 4, 8)]
    overlaps = iou_matrix(grid, [truth])
    assert matched_mean(overlaps) == pytest.approx(overlaps.max() / 9)


def test_a_pair_below_the_threshold_does_not_displace_one_that_counts():
    # 0.9 and 0.45 sum to more with the crossing, but only the two 0.5 pairs are hits.
    table = np.array([[0.55, 0.98], [0.1, 0.5]])
    assert count_matches(table, 0.5) == Counts(2, 0, 0)
    assert Counts(2, 0, 0) + Counts(0, 1, 3) == Counts(2, 1, 3)
    assert Counts(2, 1, 3).f1 == pytest.approx(4 / 8)
    assert np.isnan(Counts(0, 0, 0).precision)
