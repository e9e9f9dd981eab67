"""The comparison of combinations: macro means, and differences to the better of the two alone."""

from __future__ import annotations

import numpy as np
import pytest

from foveate.pocket.evaluate_fusion import Rows, differences, macro_mean


def test_the_macro_mean_counts_structures_alike() -> None:
    mean = macro_mean(np.array([1.0, 0.0, 0.5]), ["liver", "liver", "spleen"])
    assert mean(np.arange(3)) == pytest.approx(0.5)
    assert mean(np.array([0, 0, 2])) == pytest.approx(0.75)  # the liver's first box drawn twice
    assert mean(np.array([2])) == pytest.approx(0.5)  # a structure that was not drawn has no mean


def test_differences_are_paired_and_to_the_better_alone() -> None:
    rng = np.random.default_rng(0)
    rows: Rows = []
    for index in range(12):
        for name in ("liver", "spleen"):
            good = float(rng.uniform(0.3, 0.8))
            ious = {"pocket": good, "diffusion": good / 4, "above": good + 0.1, "same": good}
            rows.append(("C", index, name, ious))
    whole, less = differences(rows)
    assert whole["above"] == pytest.approx(whole["pocket"] + 0.1)
    assert (less["above"].low, less["above"].high) == pytest.approx((0.1, 0.1))  # as paired as can be
    assert less["same"].estimate == less["same"].high == 0 and less["diffusion"].high < 0
    assert less["above"].clusters == 12 and less["above"].samples == 24
