"""RSNA: several boxes a patient, patients without any, and the challenge's score."""

from __future__ import annotations

from pathlib import Path

import pytest

from foveate.evals.contract.answers import Claim, Prediction
from foveate.evals.registry import task_named

from .answers import nothing, right, scored
from .loading import boxes, edit, made, refused

LABELS = "rsna/stage_2_train_labels.csv"


def test_rows_of_a_patient_are_one_question(tmp_path: Path) -> None:
    items = made("rsna", tmp_path)
    assert boxes(items) == [[(10, 20, 40, 60), (60, 22, 80, 52)], []]
    assert [q.filters["class"] for q in items.questions] == ["Lung Opacity", "No Lung Opacity / Not Normal"]
    assert "p-one" not in items.questions[0].id + items.questions[0].cluster


def test_score_of_boxes_and_of_nothing(tmp_path: Path) -> None:
    task, items = task_named("rsna"), made("rsna", tmp_path)
    with_boxes, without = scored(task, items, right)
    assert with_boxes.values["rsna_score"] == 1
    assert "rsna_score" not in without.values and without.values["no_target_acc"] == 1

    def always(question, target):  # type: ignore[no-untyped-def]
        region = items.targets[items.questions[0].id].regions[0]
        return Prediction("There.", claims=(Claim("There.", True, True, (0,)),), regions=(region,))

    half, alarm = scored(task, items, always)
    assert half.values["rsna_score"] == pytest.approx(0.5) and alarm.values["rsna_score"] == 0
    assert alarm.values["false_alarm"] == 1
    missed, _ = scored(task, items, nothing)
    assert missed.values["rsna_score"] == 0


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("p-two,,,,,0", "p-two,1,1,5,5,0", "line 4: a box with 'Target' 0; expected empty cells"),
        ("p-two,,,,,0", "p-two,,,,,2", "line 4: 'Target' is 2; expected 0 or 1"),
        ("p-two,,,,,0", "p-two,,,,,1", "line 4: 'x' is missing"),
        ("p-two,,,,,0", "p-two,,,,,0\np-two,,,,,0", "line 5: the same patient as in the row before"),
    ],
)
def test_wrong_rows(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    made("rsna", tmp_path)
    edit(tmp_path / LABELS, old, new)
    refused("rsna", tmp_path, complaint, 1)


def test_a_box_twice(tmp_path: Path) -> None:
    made("rsna", tmp_path)
    edit(tmp_path / LABELS, "60,22,20,30", "10,20,30,40")
    refused("rsna", tmp_path, r"line 3: the same box of one patient as on .*line 2", 1)
