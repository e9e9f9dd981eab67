"""Laws and worked cases of the heat-map metrics, and agreement with scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import jaccard_score, roc_auc_score

from foveate.evals.metrics import heatmaps as hm

# Few distinct values, so that ties and constant maps come up.
maps = hnp.arrays(np.float64, (6, 7), elements=st.integers(0, 8).map(float))
masks = hnp.arrays(np.bool_, (6, 7))
mixed = masks.filter(lambda m: 1 < m.sum() < m.size - 1)


@given(maps, masks)
def test_threshold_miou_is_the_mean_of_jaccard_scores(heat, truth):
    scaled = hm.min_max(heat)
    expected = [jaccard_score(truth.ravel(), (scaled > t).ravel(), zero_division=1.0) for t in hm.THRESHOLDS]
    assert hm.threshold_miou(heat, truth) == pytest.approx(np.mean(expected))


@given(maps, masks, st.sampled_from([0.5, 2.0, 16.0]), st.integers(-5, 5))
def test_the_heat_scale_of_a_map_is_of_no_account(heat, truth, factor, shift):
    other = heat * factor + shift
    assert hm.threshold_miou(other, truth) == pytest.approx(hm.threshold_miou(heat, truth))
    assert hm.auc_roc(other, truth) == pytest.approx(hm.auc_roc(heat, truth), nan_ok=True)
    assert hm.cnr(other, truth) == pytest.approx(hm.cnr(heat, truth), nan_ok=True)
    assert hm.pointing_game(other, truth) == hm.pointing_game(heat, truth)


@given(maps, mixed)
def test_metrics_do_not_change_when_map_and_mask_are_mirrored_together(heat, truth):
    flipped, mirror = heat[:, ::-1], truth[:, ::-1]
    assert hm.threshold_miou(flipped, mirror) == hm.threshold_miou(heat, truth)
    assert hm.auc_roc(flipped, mirror) == hm.auc_roc(heat, truth)
    assert hm.cnr(flipped, mirror) == pytest.approx(hm.cnr(heat, truth))


@given(masks)
def test_a_map_that_is_the_mask_is_perfect(truth):
    heat = truth.astype(float)
    if truth.any() and not truth.all():
        assert hm.threshold_miou(heat, truth) == 1
        assert hm.auc_roc(heat, truth) == 1
        assert hm.auc_roc(-heat, truth) == 0
        assert hm.pointing_game(heat, truth)
    assert hm.fgbg_miou(truth, truth) == 1


@given(masks, masks)
def test_fgbg_miou_is_symmetric_and_blind_to_which_class_is_called_foreground(predicted, truth):
    value = hm.fgbg_miou(predicted, truth)
    assert 0 <= value <= 1
    assert value == hm.fgbg_miou(truth, predicted) == hm.fgbg_miou(~predicted, ~truth)


def test_fgbg_miou_rewards_an_empty_prediction():
    truth = hm.mask_of_boxes([(0, 0, 2, 5)], 10, 10)
    assert hm.fgbg_miou(np.zeros_like(truth), truth) == pytest.approx((0 + 0.9) / 2)


@given(maps, mixed)
def test_auc_agrees_with_scikit_learn(heat, truth):
    assert hm.auc_roc(heat, truth) == pytest.approx(roc_auc_score(truth.ravel(), heat.ravel()))


@given(maps, mixed)
def test_auc_is_the_share_of_pairs_in_order_with_ties_as_half(heat, truth):
    inside, outside = heat[truth][:, None], heat[~truth][None, :]
    pairs = (inside > outside) + 0.5 * (inside == outside)
    assert hm.auc_roc(heat, truth) == pytest.approx(pairs.mean())


@given(maps, mixed)
def test_cnr_changes_sign_with_the_map_and_with_the_sides(heat, truth):
    value = hm.cnr(heat, truth)
    assert hm.cnr(-heat, truth) == pytest.approx(-value)
    assert hm.cnr(heat, ~truth) == pytest.approx(-value)


def test_cnr_by_hand():
    heat = np.array([[2.0, 4.0, 0.0, 1.0, 2.0]])
    inside = np.array([[True, True, False, False, False]])
    # means 3 and 1; variances 1 and 2/3 (population), 2 and 1 (unbiased)
    assert hm.cnr(heat, inside) == pytest.approx(2 / math.sqrt(5 / 3))
    assert hm.cnr_union(heat, inside) == pytest.approx(2 / math.sqrt(3))


def test_cnr_of_constant_sides():
    inside = hm.mask_of_boxes([(0, 0, 1, 2)], 2, 2)
    assert hm.cnr(np.full((2, 2), 0.1), inside) == 0
    assert hm.cnr(inside.astype(float), inside) == math.inf
    assert math.isnan(hm.cnr(np.zeros((2, 2)), np.ones((2, 2), bool)))


@given(maps, st.permutations([(0, 0, 3, 3), (2, 2, 6, 5), (5, 0, 7, 2)]), st.booleans())
def test_cnr_per_box_does_not_depend_on_the_order_of_boxes(heat, boxes, absolute):
    one = hm.cnr_per_box(heat, sorted(boxes), absolute=absolute)
    assert hm.cnr_per_box(heat, boxes, absolute=absolute) == pytest.approx(one)


def test_absolute_cnr_hides_a_map_that_points_away():
    heat = 1 - hm.mask_of_boxes([(0, 0, 2, 2)], 4, 4) * np.linspace(0.5, 1, 16).reshape(4, 4)
    boxes = [(0, 0, 2, 2)]
    assert hm.cnr_per_box(heat, boxes) < 0 < hm.cnr_per_box(heat, boxes, absolute=True)
    assert math.isnan(hm.cnr_per_box(heat, []))


def test_the_map_is_hit_at_its_highest_pixel_or_near_it():
    heat = np.zeros((9, 9))
    heat[4, 6] = 1
    truth = hm.mask_of_boxes([(0, 3, 4, 6)], 9, 9)  # last column 3, three away from column 6
    assert hm.peak(heat) == (6.5, 4.5)
    assert not hm.pointing_game(heat, truth)
    assert not hm.pointing_game(heat, truth, tolerance=2.9)
    assert hm.pointing_game(heat, truth, tolerance=3)


@given(maps, masks, st.floats(0, 12), st.floats(0, 12))
def test_more_tolerance_never_loses_a_hit(heat, truth, a, b):
    low, high = sorted((a, b))
    assert hm.pointing_game(heat, truth, low) <= hm.pointing_game(heat, truth, high)


@given(masks)
def test_a_constant_map_earns_no_hit(truth):
    assert not hm.pointing_game(np.ones(truth.shape), truth, tolerance=99)
    assert hm.threshold_miou(np.ones(truth.shape), truth) == (0 if truth.any() else 1)


@given(maps, mixed)
def test_unseen_pixels_are_never_predicted_and_never_ranked(heat, truth):
    partial = heat.copy()
    partial[:, 0] = np.nan
    assert not (hm.min_max(partial) > 0)[:, 0].any()
    assert hm.auc_roc(partial, truth) == pytest.approx(hm.auc_roc(heat[:, 1:], truth[:, 1:]), nan_ok=True)
    assert hm.cnr(partial, truth) == pytest.approx(hm.cnr(heat[:, 1:], truth[:, 1:]), nan_ok=True)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 9), st.integers(1, 9))
def test_a_box_on_pixel_edges_covers_its_area(x, y, width, height):
    mask = hm.mask_of_boxes([(x, y, x + width, y + height)], 40, 40)
    assert mask.sum() == width * height
    assert mask[y, x]
    assert not mask[y - 1, x]


@given(masks, st.integers(0, 41))
@settings(max_examples=30)
def test_growing_a_prediction_within_the_truth_never_lowers_iou(truth, pixel):
    predicted = truth & (np.arange(42).reshape(6, 7) > pixel)
    smaller = truth & (np.arange(42).reshape(6, 7) > pixel + 1)
    assert hm.mask_iou(smaller, truth) <= hm.mask_iou(predicted, truth) <= 1


def test_what_is_not_a_map_is_refused():
    with pytest.raises(ValueError, match="shape"):
        hm.threshold_miou(np.zeros((2, 3)), np.zeros((3, 2), bool))
    with pytest.raises(ValueError, match="finite"):
        hm.min_max(np.array([[np.inf, 0.0]]))
    with pytest.raises(ValueError, match="reversed"):
        hm.mask_of_boxes([(3, 0, 1, 2)], 4, 4)
