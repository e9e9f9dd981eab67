"""Weighted box fusion against values of `ensemble-boxes` 1.0.9, and its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.metrics.fusion import weighted_box_fusion

from .strategies import box_lists, boxes


def test_agrees_with_the_package():
    fused = weighted_box_fusion(
        [[(0.1, 0.1, 0.5, 0.6), (0.7, 0.7, 0.9, 0.9)], [(0.12, 0.1, 0.5, 0.58)],
         [(0.1, 0.14, 0.52, 0.6), (0.72, 0.7, 0.9, 0.92)]],
        [[0.9, 0.4], [0.6], [0.3, 0.8]], 0.5,
    )  # fmt: skip
    # ensemble_boxes.weighted_boxes_fusion(..., iou_thr=0.5), which computes in float32
    expected = [[0.10666667, 0.10666667, 0.50333333, 0.59333333], [0.71333331, 0.7, 0.90000004, 0.9133333]]
    assert fused.boxes == pytest.approx(np.array(expected), abs=1e-6)
    assert fused.scores == pytest.approx([0.6, 0.4], abs=1e-6)
    assert fused.members.tolist() == [3, 2]


@given(boxes(), st.integers(1, 5))
def test_readers_who_agree_are_fused_into_their_box(box, readers):
    fused = weighted_box_fusion([[box]] * readers)
    assert fused.boxes == pytest.approx(np.array([box]))
    assert fused.scores.tolist() == [1]


@given(st.lists(box_lists(3), min_size=1, max_size=3), st.sampled_from([0.1, 0.55]))
def test_every_box_ends_in_one_cluster_within_the_hull(sources, threshold):
    everything = np.array([b for source in sources for b in source]).reshape(-1, 4)
    fused = weighted_box_fusion(sources, iou_threshold=threshold)
    assert fused.members.sum() == len(everything)
    assert len(fused.boxes) <= len(everything)
    assert ((fused.scores > 0) & (fused.scores <= 1)).all()
    if len(everything):
        assert (fused.boxes >= everything.min(axis=0) - 1e-9).all()
        assert (fused.boxes <= everything.max(axis=0) + 1e-9).all()


@given(st.lists(box_lists(3), min_size=1, max_size=3), st.integers(-9, 9), st.sampled_from([0.5, 4.0]))
def test_fusion_moves_with_its_boxes(sources, shift, scale):
    moved = [[tuple(v * scale + shift for v in b) for b in source] for source in sources]
    plain, other = weighted_box_fusion(sources), weighted_box_fusion(moved)
    assert other.boxes == pytest.approx(plain.boxes * scale + shift)
    assert other.scores == pytest.approx(plain.scores)


def test_a_box_of_one_reader_in_three_keeps_a_third_of_its_score():
    assert weighted_box_fusion([[(0, 0, 1, 1)], [], []]).scores == pytest.approx([1 / 3])


@pytest.mark.parametrize("scores", [[[0.0]], [[0.5, 0.5]], [[float("nan")]]])
def test_weights_must_be_weights(scores):
    with pytest.raises(ValueError, match="score"):
        weighted_box_fusion([[(0, 0, 1, 1)]], scores)
