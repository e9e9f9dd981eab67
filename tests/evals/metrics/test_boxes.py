"""Laws and worked cases of box overlap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.metrics import boxes as bx
from foveate.evals.metrics.heatmaps import mask_iou, mask_of_boxes

from .strategies import box_lists, boxes


@given(boxes(), boxes())
def test_iou_agrees_with_counted_pixels(a, b):
    counted = mask_iou(mask_of_boxes([a], 12, 12), mask_of_boxes([b], 12, 12))
    assert bx.box_iou(a, b) == pytest.approx(counted)


@given(boxes(3), boxes(3))
def test_iou_3d_agrees_with_counted_voxels(a, b):
    masks = []
    for box in (a, b):
        mask = np.zeros((12, 12, 12), bool)
        x0, y0, z0, x1, y1, z1 = (int(v) for v in box)
        mask[x0:x1, y0:y1, z0:z1] = True
        masks.append(mask)
    counted = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
    assert bx.box_iou_3d(a, b) == pytest.approx(counted)


@given(boxes(), boxes(), st.integers(-9, 9), st.sampled_from([0.5, 2.0, 8.0]))
def test_overlap_is_symmetric_and_keeps_under_shift_scale_and_axis_swap(a, b, shift, scale):
    def moved(box):
        return [v * scale + shift for v in box]

    def swapped(box):
        return [box[1], box[0], box[3], box[2]]

    for overlap in (bx.box_iou, bx.box_giou):
        value = overlap(a, b)
        assert overlap(b, a) == pytest.approx(value)
        assert overlap(moved(a), moved(b)) == pytest.approx(value)
        assert overlap(swapped(a), swapped(b)) == pytest.approx(value)


@given(boxes(), boxes())
def test_giou_never_exceeds_iou_and_is_one_for_the_same_box_alone(a, b):
    assert -1 < bx.box_giou(a, b) <= bx.box_iou(a, b) <= 1
    assert bx.box_iou(a, a) == bx.box_giou(a, a) == 1
    assert (bx.box_iou(a, b) == 1) == (a == b)


def test_giou_by_hand():
    # Two unit squares with one unit between them: hull 3, union 2.
    assert bx.box_giou((0, 0, 1, 1), (2, 0, 3, 1)) == pytest.approx(-1 / 3)
    assert bx.box_iou((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert bx.box_iou_3d((0, 0, 0, 2, 2, 2), (1, 1, 1, 3, 3, 3)) == pytest.approx(1 / 15)


@given(box_lists(4, 1), box_lists(3, 1), st.randoms())
def test_spraying_boxes_after_the_best_one_changes_nothing(given_boxes, truth, random):
    scores = [1.0] + [0.5] * (len(given_boxes) - 1)
    value = bx.best_box_iou(given_boxes, truth, scores)
    assert value == bx.best_box_iou(given_boxes[:1], truth)
    assert value == bx.best_box_iou(given_boxes, random.sample(truth, len(truth)), scores)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_accuracy_falls_as_the_threshold_rises_and_its_integral_is_the_mean(ious, a, b):
    low, high = sorted((a, b))
    assert bx.acc_at(ious, low) >= bx.acc_at(ious, high)
    assert bx.acc_at(ious, 0) == 1
    steps = np.linspace(0, 1, 501)
    assert np.mean([bx.acc_at(ious, t) for t in steps]) == pytest.approx(bx.box_miou(ious), abs=5e-3)


def test_a_missing_box_counts_zero_and_a_missing_truth_is_an_error():
    assert bx.best_box_iou([], [(0, 0, 1, 1)]) == 0
    with pytest.raises(ValueError, match="truth"):
        bx.best_box_iou([(0, 0, 1, 1)], [])


@pytest.mark.parametrize("bad", [(1, 1, 1, 2), (3, 0, 1, 2), (0, 0, float("nan"), 1), (0, 0, 1)])
def test_what_is_no_box_is_refused(bad):
    with pytest.raises(ValueError, match=r"box 1|shape|inhomogeneous"):
        bx.iou_matrix([(0, 0, 1, 1), bad], [(0, 0, 1, 1)])
    with pytest.raises(ValueError, match="IoUs"):
        bx.acc_at([0.5, float("nan")], 0.5)
