"""Dice, hits and instances against torchmetrics, NumPy and worked cases."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torchmetrics.functional import f1_score

from foveate.evals.metrics import masks as mk
from foveate.evals.metrics.heatmaps import mask_iou
from foveate.evals.metrics.matching import Counts

pixel_masks = hnp.arrays(np.bool_, (4, 5))
label_maps = hnp.arrays(np.int64, (3, 4, 2), elements=st.integers(0, 3))


@given(pixel_masks, pixel_masks)
def test_dice_is_symmetric_and_follows_from_iou(a, b):
    value = mk.dice(a, b)
    iou = mask_iou(a, b)
    assert value == mk.dice(b, a) == pytest.approx(2 * iou / (1 + iou))
    assert mk.hit(a, b) == (value >= 0.1)


@given(pixel_masks.filter(np.any), pixel_masks.filter(np.any))
def test_dice_is_the_f1_score_of_pixels(a, b):
    expected = f1_score(torch.tensor(a.ravel()), torch.tensor(b.ravel()).int(), task="binary")
    assert mk.dice(a, b) == pytest.approx(float(expected), abs=1e-6)


@given(label_maps, label_maps)
def test_the_dice_table_agrees_with_one_mask_at_a_time(a, b):
    table = mk.dice_table(a, b)
    given_, wanted = (np.unique(m[m > 0]) for m in (a, b))
    assert table.shape == (given_.size, wanted.size)
    for i, x in enumerate(given_):
        for j, y in enumerate(wanted):
            assert table[i, j] == pytest.approx(mk.dice(a == x, b == y))


@given(label_maps, label_maps, st.permutations([1, 2, 3]))
def test_names_of_instances_are_of_no_account(a, b, names):
    renamed = np.array([0, *names])[a]
    assert mk.instance_counts(renamed, b) == mk.instance_counts(a, b)
    assert mk.instance_counts(a, a).f1 == 1 or not a.any()


def test_instances_by_hand():
    truth = np.zeros((1, 20), int)
    truth[0, 0:5], truth[0, 10:15] = 1, 7
    predicted = np.zeros((1, 20), int)
    predicted[0, 0:5] = 4  # Dice 1
    predicted[0, 14:18] = 2  # Dice 2 / 9 with the second: a hit
    predicted[0, 19] = 3  # false
    assert mk.instance_counts(predicted, truth) == Counts(2, 1, 0)
    assert mk.instance_counts(predicted, truth, least=0.25) == Counts(1, 2, 1)


def test_instances_of_a_prediction_are_its_connected_parts():
    mask = np.zeros((6, 8, 8), bool)
    mask[0:3, 0:2, 0:2] = True  # 12 voxels
    mask[3:6, 2:4, 0:2] = True  # 12 more, which touch them at an edge
    mask[0:2, 5:8, 5:8] = True  # 18 voxels
    mask[5, 7, 0:5] = True  # 5 voxels: too few
    found = mk.predicted_instances(mask)
    assert sorted(np.bincount(found.ravel())[1:]) == [18, 24]
    assert np.array_equal(mk.predicted_instances(mask, least=1) > 0, mask)
    assert np.array_equal(mk.predicted_instances(mask, most=1) > 0, found == found[0, 0, 0])
    assert not mk.predicted_instances(np.zeros((3, 3, 3), bool)).any()


@given(hnp.arrays(np.bool_, (4, 5, 6)))
def test_a_prediction_of_all_true_voxels_is_all_found(mask):
    instances = mk.predicted_instances(mask, least=1, most=1000)
    assert np.array_equal(instances > 0, mask)
    counts = mk.instance_counts(instances, mk.predicted_instances(mask[::1], least=1, most=1000))
    assert counts.false_positives == counts.misses == 0


def test_empty_masks_agree_and_shapes_must():
    empty = np.zeros((2, 2), bool)
    assert mk.dice(empty, empty) == 1
    assert mk.dice(empty, ~empty) == 0
    with pytest.raises(ValueError, match="shape"):
        mk.dice(empty, np.zeros((2, 3), bool))
