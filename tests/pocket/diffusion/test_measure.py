"""The measures on maps whose score is known, and runs that are cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foveate.pocket.diffusion.cases import centre_gaussian
from foveate.pocket.diffusion.measure import Case, Heat, macro, measured, paired_difference, run


def _case(group: str, corner: int = 4) -> Case:
    mask = np.zeros((24, 24), bool)
    mask[corner : corner + 8, 6:14] = True
    return Case(group, (mask * 200).astype(np.uint8), {"liver": mask})


def _right(case: Case) -> Heat:
    return np.stack([mask.astype(np.float32) for mask in case.masks.values()])


def test_the_right_map_scores_full_and_the_wrong_one_nothing() -> None:
    case = _case("a")
    mask = case.masks["liver"]
    right, wrong = measured(mask.astype(np.float32), mask), measured((~mask).astype(np.float32), mask)
    assert right["miou_heat"] == right["auc"] == right["pointing"] == right["miou_fgbg"] == 1.0
    assert wrong["miou_heat"] == wrong["auc"] == wrong["pointing"] == 0.0


def test_a_cut_run_goes_on(tmp_path: Path) -> None:
    cases, asked = [_case("a"), _case("b", 9)], []

    def method(case: Case) -> Heat:
        asked.append(case.group)
        return _right(case)

    run(cases[:1], {"right": method}, tmp_path / "kept.jsonl", str)
    rows = run(cases, {"right": method, "centre": centre_gaussian}, tmp_path / "kept.jsonl", str)
    assert asked == ["a", "b"] and len(rows) == 4
    assert run(cases, {"right": method}, tmp_path / "kept.jsonl", str) and asked == ["a", "b"]


def test_the_paired_difference_has_its_sign_and_holds_its_estimate(tmp_path: Path) -> None:
    cases = [_case(str(i), i % 12) for i in range(12)]
    rows = run(cases, {"right": _right, "centre": centre_gaussian}, tmp_path / "kept.jsonl", str)
    a, b = ([r for r in rows if r["method"] == name] for name in ("right", "centre"))
    found = paired_difference(a, b, "miou_heat")
    assert found.low <= found.estimate <= found.high and found.low > 0
    assert found.estimate == pytest.approx(macro(a, "miou_heat") - macro(b, "miou_heat"))
    assert paired_difference(b, a, "miou_heat").estimate == pytest.approx(-found.estimate)
