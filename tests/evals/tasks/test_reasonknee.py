"""ReasonKnee: strict JSON in, grades out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from foveate.evals.contract.answers import Prediction
from foveate.evals.contract.questions import Region
from foveate.evals.registry import task_named
from foveate.evals.tasks.knee_places import label_numbers, question_numbers

from .answers import scored
from .loading import edit, load, made, refused

ANSWERS = "reasonknee/answers.json"


def test_questions_and_grades(tmp_path: Path) -> None:
    items = made("reasonknee", tmp_path)
    assert [q.filters for q in items.questions] == [
        {"question": "1", "side": "RIGHT"}, {"question": "2", "side": "RIGHT"}
    ]  # fmt: skip
    assert items.targets[items.questions[0].id].detail["grades"] == {
        "/moaks_scores/patella medial bml/size": 2, "/moaks_scores/patella medial bml/number": 1
    }  # fmt: skip
    guided = load("reasonknee", tmp_path, prompt="guided")
    assert all(q.prompt.startswith("Look at bright marrow.") for q in guided.questions)


@pytest.mark.parametrize(
    ("reply", "accuracy", "exact"),
    [
        ('{"MOAKS_scores": {"patella medial BML": {"Size": 2, "Number": 1}}}', 1.0, 1.0),
        ('{"MOAKS_scores": {"patella medial BML": {"Size": 2, "Number": 3}}}', 0.5, 0.0),
        ('{"MOAKS_scores": {"patella medial BML": {"Size": 2, "Number": 1, "More": 1}}}', 1.0, 0.0),
        ('Sure! {"MOAKS_scores": {"patella medial BML": {"Size": 2, "Number": 1}}}', 0.0, 0.0),
        ('{"MOAKS_scores": {"patella medial BML": {"Size": "2", "Number": 1}}}', 0.0, 0.0),
    ],
)
def test_replies(tmp_path: Path, reply: str, accuracy: float, exact: float) -> None:
    task, items = task_named("reasonknee"), made("reasonknee", tmp_path)
    values = scored(task, items, lambda question, target: Prediction(reply))[0].values
    assert values == {"grade_accuracy": accuracy, "all_grades": exact, "iou_3d": 0, "iou_3d@0.5": 0}


def test_the_place_is_the_box_round_all_that_is_cited(tmp_path: Path) -> None:
    task, items = task_named("reasonknee"), made("reasonknee", tmp_path)
    question, other = items.questions
    target = items.targets[question.id]
    [true] = target.regions
    assert not items.targets[other.id].regions

    def iou(*regions: Region, said: str = str(target.answer)) -> float:
        reading = task.read(question, Prediction(said, regions=regions))
        return task.score(question, reading, target, None)["iou_3d"]

    assert true.slice_stop is not None
    slices = [replace(true, slice_index=k, slice_stop=None) for k in range(true.slice_index, true.slice_stop)]
    assert iou(*slices) == iou(slices[0], slices[-1]) == pytest.approx(1)
    assert iou(slices[0]) == pytest.approx(1 / len(slices))
    # spraying makes the box larger, and an answer that does not parse has no place
    assert iou(*slices, replace(slices[0], box=(0.0, 0.0, 20.0, 20.0))) < 0.2
    assert iou(*slices, said="It is here.") == 0


def test_places_without_their_files_are_left_out_and_told(tmp_path: Path) -> None:
    made("reasonknee", tmp_path)
    (tmp_path / "reasonknee/question_files/labels.json").write_text("[7]")
    items = load("reasonknee", tmp_path)
    assert any("not of the form" in note for note in items.notes)
    assert not any(target.regions for target in items.targets.values())
    (tmp_path / "reasonknee/question_files/labels.json").unlink()
    assert any("there is no question_files" in note for note in load("reasonknee", tmp_path).notes)


def test_labels_are_read_either_way_round() -> None:
    assert label_numbers({"7": "Patella_medial", "joint space": 9}) == {"patella medial": 7, "joint space": 9}
    assert question_numbers({"1": ["a", "b"], "2": "c", "3": 4}, {"a": 1, "b": 2}) == {"1": (1, 2)}


def test_a_missing_label_map_is_told(tmp_path: Path) -> None:
    made("reasonknee", tmp_path)
    (tmp_path / "reasonknee/labels/9000001.nii.gz").unlink()
    refused("reasonknee", tmp_path, r"test_split\.csv, line 2: the label map .* is not there", 1)


def test_wrong_answers_files(tmp_path: Path) -> None:
    made("reasonknee", tmp_path)
    edit(tmp_path / ANSWERS, "Are there loose", "Where are loose")
    refused("reasonknee", tmp_path, r"answers\.json, line \d+: its prompt is none of the questions", 1)
    edit(tmp_path / ANSWERS, '\\"Size\\": 2', '\\"Size\\": 2.5')
    refused("reasonknee", tmp_path, "'final_diagnosis' holds no grades", 0)
    edit(tmp_path / ANSWERS, "volumes/9000001", "volumes/other")
    refused("reasonknee", tmp_path, "its image is not in the test split", 0)
