"""ChestX-ray8's accuracy and false positives, and RSNA's score."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.metrics.boxes import box_iou
from foveate.evals.metrics.chestxray8 import iobb_matrix, localization
from foveate.evals.metrics.rsna import THRESHOLDS, rsna_image_score, rsna_score

from .strategies import box_lists, boxes


@given(boxes(), boxes())
def test_iobb_is_never_below_iou_and_is_one_inside_the_truth(a, b):
    value = iobb_matrix([a], [b])[0, 0]
    assert box_iou(a, b) <= value <= 1
    inside = a[0] >= b[0] and a[1] >= b[1] and a[2] <= b[2] and a[3] <= b[3]
    assert (value == 1) == inside


@given(box_lists(5), box_lists(3, 1), boxes())
def test_one_more_box_never_lowers_accuracy_so_false_positives_must_be_read_with_it(
    given_boxes, truth, extra
):
    before = localization([given_boxes], [truth], 0.25)
    after = localization([[*given_boxes, extra]], [truth], 0.25)
    assert after.accuracy >= before.accuracy
    assert after.average_false_positives - before.average_false_positives in (0, 1)


@given(box_lists(5), box_lists(3, 1), st.sampled_from(["iou", "iobb"]))
def test_accuracy_falls_and_false_positives_rise_with_the_threshold(given_boxes, truth, overlap):
    table = [localization([given_boxes], [truth], t, overlap) for t in (0.1, 0.25, 0.5, 0.75, 0.9)]
    for a, b in itertools.pairwise(table):
        assert a.accuracy >= b.accuracy
        assert a.average_false_positives <= b.average_false_positives


def test_localization_by_hand():
    truth = [[(0, 0, 10, 10)], [(0, 0, 10, 10)]]
    predicted = [[(0, 0, 4, 4), (20, 20, 30, 30)], []]  # IoBB 1, IoU .16; a miss; nothing
    iobb = localization(predicted, truth, 0.5)
    assert (iobb.accuracy, iobb.average_false_positives) == (0.5, 0.5)
    iou = localization(predicted, truth, 0.1, "iou")
    assert (iou.accuracy, iou.average_false_positives) == (0.5, 0.5)
    assert localization(predicted, truth, 0.5, "iou").accuracy == 0
    with pytest.raises(ValueError, match="at least one true box"):
        localization([[]], [[]], 0.5)


@given(box_lists(4), box_lists(4))
def test_rsna_lies_in_the_unit_interval_and_is_one_for_the_truth(given_boxes, truth):
    score = rsna_image_score(given_boxes, [0.5] * len(given_boxes), truth)
    assert (score is None) == (not given_boxes and not truth)
    assert score is None or 0 <= score <= 1
    distinct = list(dict.fromkeys(truth))
    if distinct:
        assert rsna_image_score(distinct, [0.5] * len(distinct), distinct) == 1


def test_rsna_by_hand():
    # IoU of the first box 0.6: a hit at .40 .45 .50 .55 and not at .60 itself; the second box is false.
    truth = [(0, 0, 10, 10)]
    predicted = [(0, 0, 10, 6), (50, 50, 60, 60)]
    assert rsna_image_score(predicted, [0.9, 0.8], truth) == pytest.approx(4 / 8 * (1 / 2))
    assert rsna_image_score(predicted, [0.9, 0.8], []) == 0
    assert rsna_image_score([], [], []) is None
    assert rsna_score([0.5, None, 1.0]) == 0.75
    assert np.isnan(rsna_score([None]))
    assert THRESHOLDS == (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75)


def test_rsna_matches_in_order_of_confidence():
    # The confident box takes the truth it overlaps most, whichever order the boxes come in.
    truth = [(0, 0, 10, 10), (0, 5, 10, 15)]
    predicted = [(0, 0, 10, 10), (0, 1, 10, 11)]
    assert rsna_image_score(predicted, [0.2, 0.9], truth) == rsna_image_score(
        predicted[::-1], [0.9, 0.2], truth
    )


@given(box_lists(3), box_lists(3, 1), boxes())
def test_an_extra_rsna_box_of_least_confidence_that_hits_nothing_lowers_the_score(given_boxes, truth, shape):
    far = tuple(v + 100 for v in shape)
    scores = [0.9] * len(given_boxes)
    before = rsna_image_score(given_boxes, scores, truth)
    after = rsna_image_score([*given_boxes, far], [*scores, 0.1], truth)
    assert after < before if before else after == 0
