"""Distances of instances against hand-worked cases and plain pairwise distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from foveate.evals.metrics.distances import centre_distances, distance_counts, surface_distances
from foveate.evals.metrics.masks import LabelMap

SPACING = (2.0, 1.0, 0.5)
Places = list[tuple[int, int, int]]
corners = st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=3)


def blocks(places: Places) -> LabelMap:
    """Blocks of 3 x 3 x 3, of which later ones cover earlier ones."""
    labels = np.zeros((9, 9, 9), np.int16)
    for number, (a, b, c) in enumerate(places, start=1):
        labels[a : a + 3, b : b + 3, c : c + 3] = number
    return labels


def test_two_blocks_by_hand() -> None:
    one, other = blocks([(0, 0, 0)]), blocks([(1, 2, 4)])
    # moved by 2, 2 and 2 mm
    assert centre_distances(one, other, SPACING) == pytest.approx(np.array([[np.sqrt(12)]]))
    assert surface_distances(one, one, SPACING) == pytest.approx(np.array([[0.0]]))


def test_plates_that_face_each_other_are_as_far_as_they_are_apart() -> None:
    one, other = np.zeros((9, 4, 4), np.int16), np.zeros((9, 4, 4), np.int16)
    one[1], other[4] = 1, 1
    assert surface_distances(one, other, SPACING) == pytest.approx(np.array([[6.0]]))
    assert centre_distances(one, other, SPACING) == pytest.approx(np.array([[6.0]]))


@given(corners, corners)
def test_surfaces_against_plain_distances(one: Places, other: Places) -> None:
    first, second = blocks(one[:1]), blocks(other[:1])

    def edge(labels: LabelMap) -> np.ndarray:
        places = np.argwhere(labels > 0)
        low, high = places.min(axis=0), places.max(axis=0)
        return places[((places == low) | (places == high)).any(axis=1)] * np.array(SPACING)

    apart = cdist(edge(first), edge(second))
    mean = (apart.min(axis=1).sum() + apart.min(axis=0).sum()) / sum(apart.shape)
    assert surface_distances(first, second, SPACING) == pytest.approx(np.array([[mean]]))


@given(corners, corners)
def test_tables_turn_round_with_their_sides(one: Places, other: Places) -> None:
    first, second = blocks(one), blocks(other)
    for table in (centre_distances, surface_distances):
        there, back = table(first, second, SPACING), table(second, first, SPACING)
        assert there == pytest.approx(back.T)
        assert there.shape == (len(np.unique(first)) - 1, len(np.unique(second)) - 1)


def test_pairs_count_up_to_the_limit_and_one_to_one() -> None:
    distances = np.array([[2.0, 9.0], [1.0, 2.5], [0.5, 9.0]])
    counts = distance_counts(distances, 2.5)
    assert (counts.true_positives, counts.false_positives, counts.misses) == (2, 1, 0)
    assert distance_counts(distances, 0.4).true_positives == 0
    assert distance_counts(np.empty((0, 2)), 1.0).misses == 2
