"""Calibration, AUROC, selective risk and expectations over readers."""

import math
from itertools import permutations, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score
from torchmetrics.functional.classification import binary_calibration_error

from foveate.evals.metrics import calibration, readers, selective
from foveate.evals.metrics.boxes import box_iou
from foveate.evals.metrics.ranking import auroc

from .strategies import box_lists

# Off the bin edges, where the last bit decides which bin a float32 falls into.
stated = st.integers(0, 198).map(lambda k: (k + 0.5) / 200)
answers = st.lists(st.tuples(stated, st.booleans()), min_size=1, max_size=40)


def _columns(rows):
    return [c for c, _ in rows], [r for _, r in rows]


@given(answers, st.sampled_from([5, 10, 15]))
def test_ece_agrees_with_torchmetrics(rows, bins):
    confidence, correct = _columns(rows)
    expected = binary_calibration_error(torch.tensor(confidence), torch.tensor(correct).int(), n_bins=bins)
    got = calibration.expected_calibration_error(confidence, correct, bins)
    assert got == pytest.approx(float(expected), abs=1e-5)
    assert 0 <= got <= 1


@given(answers, st.randoms())
def test_brier_agrees_with_scikit_learn_and_keeps_under_order(rows, random):
    confidence, correct = _columns(rows)
    got = calibration.brier_score(confidence, correct)
    assert got == pytest.approx(brier_score_loss(correct, confidence, labels=[False, True]))
    mixed = _columns(random.sample(rows, len(rows)))
    assert calibration.brier_score(*mixed) == pytest.approx(got)
    assert calibration.expected_calibration_error(*mixed) == pytest.approx(
        calibration.expected_calibration_error(confidence, correct)
    )


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_certainty_that_is_always_right_costs_nothing_and_a_constant_costs_its_gap(correct):
    sure = [1.0 if c else 0.0 for c in correct]
    assert calibration.brier_score(sure, correct) == 0
    assert calibration.expected_calibration_error(sure, correct) == 0
    gap = calibration.expected_calibration_error([0.7] * len(correct), correct)
    assert gap == pytest.approx(abs(0.7 - np.mean(correct)))


def test_the_reliability_table_by_hand():
    table = calibration.reliability([0.0, 0.1, 0.5, 0.9, 1.0], [False, True, True, False, True], bins=2)
    assert table.counts.tolist() == [2, 3]
    assert table.accuracy.tolist() == [0.5, pytest.approx(2 / 3)]
    assert table.confidence.tolist() == [0.05, pytest.approx(0.8)]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auroc_agrees_with_scikit_learn(rows):
    scores, positive = _columns(rows)
    got = auroc(scores, positive)
    if len(set(positive)) == 1:
        assert math.isnan(got)
    else:
        assert got == pytest.approx(roc_auc_score(positive, scores))
        assert auroc([-s for s in scores], positive) == pytest.approx(1 - got)


few = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, 0.25, 1.0])), min_size=1, max_size=5)


@given(few)
def test_the_curve_is_the_mean_over_all_orders_of_equal_confidence(rows):
    confidence, loss = _columns(rows)
    orders = [
        p for p in permutations(range(len(rows))) if [confidence[i] for i in p] == sorted(confidence)[::-1]
    ]
    counts = np.arange(1, len(rows) + 1)
    expected = np.mean([np.cumsum([loss[i] for i in p]) / counts for p in orders], axis=0)
    assert selective.risk_coverage(confidence, loss).risk == pytest.approx(expected)


@given(few, st.randoms())
def test_aurc_depends_only_on_the_order_and_no_order_beats_the_losses_own(rows, random):
    confidence, loss = _columns(rows)
    value = selective.aurc(confidence, loss)
    assert value == pytest.approx(selective.aurc([3 * c - 7 for c in confidence], loss))
    assert value == pytest.approx(selective.aurc(*_columns(random.sample(rows, len(rows)))))
    best, worst = selective.aurc([-v for v in loss], loss), selective.aurc(loss, loss)
    assert best - 1e-12 <= value <= worst + 1e-12
    assert selective.risk_coverage(confidence, loss).risk[-1] == pytest.approx(np.mean(loss))


def test_points_on_the_curve_by_hand():
    curve = selective.risk_coverage([0.9, 0.8, 0.7, 0.6], [0, 0, 1, 1])
    assert curve.risk.tolist() == [0, 0, pytest.approx(1 / 3), 0.5]
    assert selective.risk_at(curve, 0.5) == 0
    assert selective.risk_at(curve, 0.51) == pytest.approx(1 / 3)
    assert selective.coverage_at(curve, 0.4) == 0.75
    assert selective.coverage_at(curve, -0.1) == 0
    point = selective.operating_point([True, False, True, False], [0, 1, 1, float("nan")])
    assert (point.coverage, point.risk) == (0.5, 0.5)


def test_abstaining_on_everything_has_no_risk_to_show():
    point = selective.operating_point([False, False], [0, 0])
    assert point.coverage == 0
    assert math.isnan(point.risk)


ragged = st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=3), min_size=1, max_size=3)


@given(ragged)
def test_the_expected_mean_is_that_over_all_draws_of_readers(scores):
    everything = [np.mean(drawn) for drawn in product(*scores)]
    got = readers.expected_mean(scores, draws=300)
    assert got.mean == pytest.approx(np.mean(everything))
    assert min(everything) - 1e-12 <= got.low <= got.high <= max(everything) + 1e-12


def test_a_statistic_is_given_one_reader_per_sample():
    table = [[0.0, 1.0], [1.0, 1.0], [0.5]]
    got = readers.expected_statistic(
        lambda drawn: max(table[i][r] for i, r in enumerate(drawn)), [2, 2, 1], draws=50
    )
    assert got.mean == got.low == got.high == 1
    with pytest.raises(ValueError, match="at least one reader"):
        readers.expected_mean([[1.0], []])


@given(box_lists(3), box_lists(3))
def test_disagreement_is_none_with_oneself_and_whole_with_the_far(a, b):
    assert readers.disagreement([a, a]) == pytest.approx(0)
    assert 0 <= readers.disagreement([a, b]) <= 1
    assert readers.disagreement([a, b]) == pytest.approx(readers.disagreement([b, a]))


def test_disagreement_of_two_boxes_is_one_less_their_iou():
    a, b = (0, 0, 4, 4), (2, 0, 6, 4)
    assert readers.disagreement([[a], [b]]) == pytest.approx(1 - box_iou(a, b))
    assert readers.disagreement([[a], []]) == 1
    assert math.isnan(readers.disagreement([[a]]))


@pytest.mark.parametrize(
    "call",
    [
        lambda: calibration.brier_score([1.2], [True]),
        lambda: calibration.brier_score([], []),
        lambda: calibration.expected_calibration_error([float("nan")], [True]),
        lambda: selective.aurc([0.5], [float("inf")]),
        lambda: selective.aurc([0.5], [0.1, 0.2]),
        lambda: selective.risk_at(selective.risk_coverage([1], [0]), 0),
        lambda: auroc([float("nan")], [True]),
    ],
)
def test_numbers_that_are_none_are_refused(call):
    with pytest.raises(ValueError, match=r".+"):
        call()
