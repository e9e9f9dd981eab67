"""PadChest-GR: sentences with no, one or several boxes, given as shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from foveate.evals.contract.answers import Claim, Prediction
from foveate.evals.registry import task_named

from .loading import boxes, edit, load, made, refused

REPORTS = "padchest-gr/grounded_reports_20240819.json"


def test_shares_become_pixels_and_negatives_have_no_box(tmp_path: Path) -> None:
    items = made("padchest-gr", tmp_path)
    assert boxes(items)[0] == [pytest.approx((9.6, 16, 28.8, 32)), pytest.approx((48, 40, 72, 72))]
    assert boxes(items)[1] == []
    assert [q.filters["boxes"] for q in items.questions] == ["2", "0"]
    assert "Calcified granuloma." in items.questions[0].prompt


def test_splits(tmp_path: Path) -> None:
    made("padchest-gr", tmp_path)
    assert len(load("padchest-gr", tmp_path, split="train").questions) == 1
    assert len(load("padchest-gr", tmp_path, split="all").questions) == 3


def test_a_whole_report_is_judged_claim_by_claim(tmp_path: Path) -> None:
    task, items = task_named("padchest-gr"), made("padchest-gr", tmp_path, part="report")
    [question] = items.questions
    target = items.targets[question.id]
    assert question.kind == "report" and target.detail["sentences"] == [
        "Calcified granuloma.",
        "No effusion.",
    ]
    claims = (Claim("Calcified granuloma.", True, True, (0, 1)), Claim("A fracture.", True, False))
    answer = Prediction("Granuloma and fracture.", claims=claims, regions=target.regions)

    def judge(prompt: str) -> str:
        said = prompt.split("first report:\n")[1].splitlines()[0]
        follows = said == "Calcified granuloma."
        return "verdict: entailment\nevidence: 1" if follows else "verdict: neutral\nevidence: none"

    reading = task.read(question, answer)
    found = task.score(question, reading, target, judge)
    assert found["logical_precision"] == found["logical_recall"] == 0.5
    assert found["spatial_precision"] == found["spatial_recall"] == found["grounding_precision"] == 1
    assert task.score(question, reading, target, None) == {}
    silent = task.read(question, Prediction("I cannot tell.", abstained=True, reason="cannot_tell"))
    assert task.score(question, silent, target, judge)["logical_recall"] == 0


def test_wrong_entries(tmp_path: Path) -> None:
    made("padchest-gr", tmp_path)
    edit(tmp_path / REPORTS, "0.75", "1.75")
    refused("padchest-gr", tmp_path, r"json, line 2: the box has a coordinate outside 0 to 1", 0)
    edit(tmp_path / REPORTS, "1.75", '"NaN"')
    refused("padchest-gr", tmp_path, r"json, line 2: 'boxes' is nan", 0)
    edit(tmp_path / REPORTS, '"two.png"', '"one.png"')
    refused("padchest-gr", tmp_path, "1 more records have faults", 0)
