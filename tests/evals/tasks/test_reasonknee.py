"""ReasonKnee: strict JSON in, grades out."""

from __future__ import annotations

from pathlib import Path

import pytest

from foveate.evals.contract.answers import Prediction
from foveate.evals.registry import task_named

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
    assert values == {"grade_accuracy": accuracy, "all_grades": exact}


def test_wrong_answers_files(tmp_path: Path) -> None:
    made("reasonknee", tmp_path)
    edit(tmp_path / ANSWERS, "Are there loose", "Where are loose")
    refused("reasonknee", tmp_path, r"answers\.json, line \d+: its prompt is none of the questions", 1)
    edit(tmp_path / ANSWERS, '\\"Size\\": 2', '\\"Size\\": 2.5')
    refused("reasonknee", tmp_path, "'final_diagnosis' holds no grades", 0)
    edit(tmp_path / ANSWERS, "volumes/9000001", "volumes/other")
    refused("reasonknee", tmp_path, "its image is not in the test split", 0)
