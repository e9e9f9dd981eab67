"""The fit of the uncertainty: probabilities that can be had again, and a table of what was measured."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from foveate.pocket.uncertainty_cases import SURE, Case
from foveate.pocket.uncertainty_fit import calibrated, fitted, iou_of, left_out, probability, worth
from foveate.pocket.uncertainty_tables import report_text, risk_picture

RNG = np.random.default_rng(0)


def made(count: int = 60) -> list[Case]:
    """Cases whose consensus tells how far the box lies beside the true one."""
    truth, cases = (0.0, 0.0, 20.0, 20.0), []
    for n in range(count):
        shift = float(RNG.uniform(0, 20))
        box = None if n % 20 == 7 else (shift, 0.0, 20 + shift, 20.0)
        consensus = float(np.clip(1 - shift / 20 + RNG.normal(0, 0.1), 0, 1))
        features = {
            "consensus": consensus,
            "spread": 0.3,
            "miss_rate": 0.1 * (n % 3),
            "score": 0.9,
            "steady": 0.8,
        }
        boxes = {"pocket": box, "diffusion": truth, "fuse(pocket+diffusion)": box, SURE: box}
        cases.append(Case(f"s{n % 6}", "ABC"[n % 3], ("liver", "spleen")[n % 2], truth, boxes, features))
    return cases


def test_the_fit_is_that_of_scikit_learn() -> None:
    x = RNG.normal(3, 2, (200, 3))
    hit = x @ [1.0, -0.5, 0.0] + RNG.normal(0, 1, 200) > 1
    z = (x - x.mean(0)) / x.std(0)
    other = LogisticRegression(C=1.0, tol=1e-8).fit(z, hit)
    assert probability(x, fitted(x, hit)) == pytest.approx(other.predict_proba(z)[:, 1], abs=1e-3)


def test_a_block_is_judged_by_the_others() -> None:
    x, hit = np.array([[0.0], [1.0], [0.0], [1.0], [0.0], [1.0]]), np.array([0, 1, 0, 1, 1, 0], dtype=bool)
    said = left_out(x, hit, ["a", "a", "a", "a", "b", "b"])
    assert said[4] < 0.5 < said[5]  # b is the other way round: what was fitted on a is wrong there


def test_a_calibration_of_cases_tells_misses() -> None:
    cases = made()
    one = calibrated(cases, ["pocket", "other"])
    assert one.cases == sum(case.boxes[SURE] is not None for case in cases) < len(cases)
    assert one.auroc > 0.8 and list(one.weights) == ["pocket", "other"]
    sure, unsure = ({**cases[0].features, "consensus": c} for c in (0.95, 0.1))
    assert one.uncertainty(sure) < 0.3 < 0.7 < one.uncertainty(unsure)


def test_the_report_counts_what_has_no_box_as_missed() -> None:
    cases = made()
    one = calibrated(cases, ["pocket", "other"])
    text = report_text(cases, cases[:2], cases, one, 1)
    lost = np.mean([iou_of(case) < 0.5 for case in cases])
    assert f"| risk at 100% coverage | {lost:.3f} |" in text and "3 had no hypothesis with a box" in text
    assert "`diffusion` | 1.000" in text  # the better of the two alone
    alone = worth(cases, cases, ["steady"])  # the same for all cases: worth nothing
    assert f"| steadiness alone (steady) | {alone[0]:.2f} | 0.50 |" in text
    picture = risk_picture(cases, one)
    assert picture.startswith("<svg xmlns") and picture.count("<style>") == 1 and "1 - steadiness" in picture
