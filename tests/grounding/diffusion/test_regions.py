"""Heat → boxes, thresholds, priors, presence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.tools.grounding.diffusion.presence import (
    calibrate,
    load_calibration,
    noise_scores,
    save_calibrations,
)  # fmt: skip
from foveate.tools.grounding.diffusion.prior import center_gaussian, location_prior, says_where
from foveate.tools.grounding.diffusion.regions import (
    find_regions,
    foreground,
    gmm_threshold,
    without_orphans,
)  # fmt: skip
from foveate.tools.grounding.diffusion.run_fast import Errors
from foveate.tools.grounding.errors import GrounderError

CUTS = ("fixed", "otsu", "gmm")


def two_blocks() -> np.ndarray:
    heat = np.zeros((40, 60), np.float32)
    heat[5:15, 10:30], heat[25:35, 40:50] = 1.0, 0.8
    return heat


@pytest.mark.parametrize("cut", CUTS)
def test_two_blocks_are_two_boxes_heaviest_first(cut: str) -> None:
    found = find_regions(two_blocks(), cut, 0.5, most=3, least=0.1)  # type: ignore[arg-type]
    assert [box.corners for box in found] == [(10, 5, 30, 15), (40, 25, 50, 35)]
    assert [box.score for box in found] == pytest.approx([1.0, 0.8])
    assert len(find_regions(two_blocks(), cut, 0.5, most=1, least=0.1)) == 1  # type: ignore[arg-type]
    assert len(find_regions(two_blocks(), cut, 0.5, most=3, least=0.5)) == 1  # type: ignore[arg-type]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(2, 50), st.integers(2, 50), st.sampled_from(CUTS))
def test_boxes_lie_in_the_map_and_cover_the_foreground(seed: int, rows: int, cols: int, cut: str) -> None:
    heat = np.random.default_rng(seed).random((rows, cols), dtype=np.float32)
    found = find_regions(heat, cut, 0.5, most=10_000, least=0.0)  # type: ignore[arg-type]
    covered = np.zeros((rows, cols), np.bool_)
    for box in found:
        x0, y0, x1, y1 = (int(v) for v in box.corners)
        assert 0 <= x0 < x1 <= cols and 0 <= y0 < y1 <= rows and 0 <= box.score <= 1
        covered[y0:y1, x0:x1] = True
    assert covered[foreground(heat, cut)].all()  # type: ignore[arg-type]
    assert [b.mass for b in found] == sorted((b.mass for b in found), reverse=True)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_flat_map_points_at_nothing(cut: str, value: float) -> None:
    assert find_regions(np.full((9, 9), value, np.float32), cut, 0.5, 3, 0.1) == []  # type: ignore[arg-type]


def test_the_mixtures_threshold_lies_midway_between_its_means() -> None:
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(0)
    heat = np.concatenate([rng.normal(0.2, 0.05, 900), rng.normal(0.7, 0.1, 300)]).reshape(40, 30)
    mixture = GaussianMixture(2, random_state=0, tol=1e-6, max_iter=500).fit(heat.reshape(-1, 1))
    expected = mixture.means_.mean()
    assert gmm_threshold(heat.astype(np.float32)) == pytest.approx(expected, abs=0.005)


def test_orphans_go_and_neighbours_stay() -> None:
    mask = np.zeros((6, 6), np.bool_)
    mask[0, 0] = mask[3, 3] = mask[4, 4] = True
    kept = without_orphans(mask)
    assert not kept[0, 0] and kept[3, 3] and kept[4, 4]


@pytest.mark.parametrize(
    ("phrase", "row", "column"),
    [("left lung", "middle", "high"), ("right kidney", "middle", "low"), ("upper lobe", "low", "middle"),
     ("right lower lobe", "high", "low"), ("left apex", "low", "high")],
)  # fmt: skip
def test_the_prior_points_where_the_words_say(phrase: str, row: str, column: str) -> None:
    prior = location_prior(phrase, 50, 80)
    assert prior.shape == (50, 80) and prior.max() == 1 and prior.min() > 0
    y, x = divmod(int(prior.argmax()), 80)
    inside = {"low": (0.0, 0.4), "middle": (0.4, 0.6), "high": (0.6, 1.0)}
    for share, told in ((y / 50, row), (x / 80, column)):
        assert inside[told][0] <= share <= inside[told][1]


def test_a_phrase_without_place_and_the_centre() -> None:
    assert not says_where("pleural effusion") and says_where("effusion at the left base")
    centre = center_gaussian(31, 31)
    assert divmod(int(centre.argmax()), 31) == (15, 15)
    torch.testing.assert_close(centre, centre.flip(0))


def test_presence_is_the_share_by_which_the_phrase_helps_where_the_heat_is() -> None:
    heat = torch.zeros(1, 4, 4)
    heat[0, 1, 1] = 1.0
    null = torch.ones(2, 4, 4)
    phrase = torch.ones(1, 2, 4, 4)
    phrase[0, :, 1, 1] = 0.75
    phrase[0, :, 3, 3] = 9.0  # where there is no heat it does not count
    assert noise_scores(heat, Errors(null, phrase, phrase))[0] == pytest.approx(0.25)


def test_a_calibration_is_fitted_kept_and_found_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    present = np.arange(400) % 2 == 0
    scores = rng.normal(np.where(present, 0.1, 0.0), 0.05)
    made = calibrate("fast", "noise", scores, present)
    # two equal Gaussians: the slope is the difference of means over the variance, the middle is even odds
    assert made.slope == pytest.approx(0.1 / 0.05**2, rel=0.25)
    assert made.probability(0.05) == pytest.approx(0.5, abs=0.1)
    assert (made.positives, made.negatives) == (200, 200) and 0.85 < made.auc < 0.97 and made.brier < 0.14
    assert 0.95 <= made.sensitivity <= 0.96 and 0 < made.threshold < 0.5 and made.specificity > 0.4
    save_calibrations(tmp_path, [made])
    assert load_calibration(tmp_path, "fast") == made and load_calibration(tmp_path, "ldm") is None
    (tmp_path / "presence.json").write_text("{")
    with pytest.raises(GrounderError, match="cannot be read"):
        load_calibration(tmp_path, "fast")
    with pytest.raises(GrounderError, match="one kind lacks"):
        calibrate("fast", "noise", scores, np.ones(400, np.bool_))


def test_separable_scores_are_calibrated_too() -> None:
    made = calibrate("fast", "noise", np.array([0.0, 0.1, 0.9, 1.0]), np.array([False, False, True, True]))
    assert np.isfinite(made.slope) and made.probability(1.0) > 0.6 > 0.4 > made.probability(0.0)
