"""Laws and worked cases of the intervals and paired tests."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from foveate.evals.metrics import bootstrap as bs

numbers = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30)
FEW = 200


@given(numbers, st.integers(0, 99))
def test_an_interval_lies_within_the_values_and_is_the_same_for_the_same_seed(values, seed):
    got = bs.bootstrap_mean(values, draws=FEW, seed=seed)
    assert min(values) - 1e-9 <= got.low <= got.high <= max(values) + 1e-9
    assert got.estimate == pytest.approx(np.mean(values))
    assert got == bs.bootstrap_mean(values, draws=FEW, seed=seed)


@given(numbers, st.integers(-50, 50), st.sampled_from([0.5, 2.0, 8.0]))
def test_an_interval_moves_and_grows_with_its_values(values, shift, scale):
    plain = bs.bootstrap_mean(values, draws=FEW)
    moved = bs.bootstrap_mean([v * scale + shift for v in values], draws=FEW)
    assert moved.low == pytest.approx(plain.low * scale + shift, abs=1e-6)
    assert moved.high == pytest.approx(plain.high * scale + shift, abs=1e-6)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5)), min_size=1, max_size=30), st.integers(0, 9))
def test_the_fast_mean_agrees_with_the_general_bootstrap(rows, seed):
    values = np.array([v for v, _ in rows])
    clusters = [c for _, c in rows]
    fast = bs.bootstrap_mean(values, clusters, draws=FEW, seed=seed)
    slow = bs.bootstrap_statistic(
        lambda i: values[i].mean(), len(rows), clusters, draws=FEW, seed=seed, correct=False
    )
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high))
    assert fast.clusters == slow.clusters == len(set(clusters))


def test_samples_that_repeat_within_a_patient_widen_the_interval():
    rng = np.random.default_rng(0)
    per_patient = rng.random(20)
    values = np.repeat(per_patient, 10)
    patients = np.repeat(np.arange(20), 10).tolist()
    naive, honest = bs.bootstrap_mean(values), bs.bootstrap_mean(values, patients)
    alone = bs.bootstrap_mean(per_patient)
    assert honest.high - honest.low > 2.5 * (naive.high - naive.low)
    assert (honest.low, honest.high) == pytest.approx((alone.low, alone.high))


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(200):
        got = bs.bootstrap_mean(rng.normal(3, 1, 60), draws=400, seed=trial)
        held += got.low <= 3 <= got.high
    assert 0.88 <= held / 200 <= 0.99


def test_draws_in_which_a_statistic_is_undefined_are_left_out_but_not_all():
    labels = np.array([True, False, False, False])

    def share_of_first(index):
        return np.nan if not labels[index].any() else 1.0

    assert bs.bootstrap_statistic(share_of_first, 4, draws=FEW).low == 1
    with pytest.raises(ValueError, match="every resample"):
        bs.bootstrap_statistic(lambda index: float("nan"), 4, draws=10)


def test_a_statistic_that_repeats_shift_is_told_and_its_interval_moved_back():
    values = np.random.default_rng(4).normal(size=30)

    def spread(index):
        """From end to end, which a resample without the ends can only lower."""
        return float(values[index].max() - values[index].min())

    told = bs.bootstrap_statistic(spread, 30, draws=400)
    assert told.biased and told.bias < 0
    # the plain interval would begin lower
    plain = [spread(np.random.default_rng(k).integers(30, size=30)) for k in range(400)]
    assert told.low > np.quantile(plain, 0.1)


def test_a_symmetric_statistic_keeps_the_plain_interval():
    values = np.random.default_rng(5).normal(size=60)
    told = bs.bootstrap_statistic(lambda index: float(values[index].mean()), 60, draws=1000)
    mean = bs.bootstrap_mean(values, draws=1000)
    assert not told.biased and not mean.biased
    assert (told.low, told.high) == pytest.approx((mean.low, mean.high), abs=0.05)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12), st.integers(0, 3))
def test_a_corrected_interval_lies_within_the_resamples(values, seed):
    array = np.array(values)
    told = bs.bootstrap_statistic(lambda i: float(np.median(array[i])), array.size, draws=FEW, seed=seed)
    assert array.min() <= told.low <= told.high <= array.max()


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=20))
def test_swapping_the_two_sides_turns_the_difference_round(pairs):
    a, b = (list(side) for side in zip(*pairs, strict=True))
    one, other = bs.paired_bootstrap(a, b, draws=FEW), bs.paired_bootstrap(b, a, draws=FEW)
    assert one.interval.estimate == pytest.approx(-other.interval.estimate)
    assert one.interval.low == pytest.approx(-other.interval.high, abs=1e-9)
    assert one.p_value == other.p_value
    assert 0 < one.p_value <= 1


def test_pairing_sees_a_small_steady_difference():
    base = np.random.default_rng(2).random(50)
    difference = bs.paired_bootstrap(base + 0.01, base)
    assert difference.interval.low == pytest.approx(0.01)
    assert difference.p_value < 0.002
    assert bs.paired_bootstrap(base, base).p_value == 1


def test_mcnemar_by_hand():
    # A alone is right 8 times, B alone once, both 5 times: two-sided binomial 2 (C(9,0) + C(9,1)) / 2^9.
    a = [True] * 8 + [False] + [True] * 5
    b = [False] * 8 + [True] + [True] * 5
    assert bs.mcnemar_exact(a, b) == pytest.approx(2 * (1 + 9) / 512)
    assert bs.mcnemar_exact(b, a) == bs.mcnemar_exact(a, b)
    assert bs.mcnemar_exact(a, a) == 1


@given(st.integers(0, 60), st.integers(1, 60))
def test_wilson_holds_the_proportion_and_mirrors(successes, trials):
    successes = min(successes, trials)
    low, high = bs.wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    mirrored = bs.wilson_interval(trials - successes, trials)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high))


def test_wilson_of_a_known_case():
    # Agresti and Coull's form for 8 of 10 at 95 %.
    assert bs.wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)


@settings(max_examples=20)
@given(st.floats(0.05, 0.95))
def test_wilson_covers_on_average(p):
    weights = binom.pmf(np.arange(41), 40, p)
    covered = [low <= p <= high for low, high in (bs.wilson_interval(k, 40) for k in range(41))]
    assert weights[covered].sum() > 0.85


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bs.bootstrap_mean([]), "one or more"),
        (lambda: bs.bootstrap_mean([1.0, np.nan]), "value 1 is not finite"),
        (lambda: bs.bootstrap_mean([1.0, 2.0], ["p"]), "2 samples"),
        (lambda: bs.bootstrap_mean([1.0], level=1.5), "level"),
        (lambda: bs.paired_bootstrap([1.0], [1.0, 2.0]), "one length"),
        (lambda: bs.mcnemar_exact([True], []), "one length"),
        (lambda: bs.wilson_interval(3, 2), "proportion"),
    ],
)
def test_what_cannot_be_estimated_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
