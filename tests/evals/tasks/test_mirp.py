"""MIRP: one character is the answer, and the example in the prompt is of another picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from foveate.evals.contract.answers import Prediction
from foveate.evals.registry import task_named

from .answers import scored, table
from .loading import edit, load, made, refused

QA = "mirp/RQ1/qa.json"


def test_prompt_with_an_example_of_another_picture(tmp_path: Path) -> None:
    first, second = made("mirp", tmp_path).questions
    assert "exactly one character: '1' or '0'" in first.prompt
    assert "Q: Is the aorta above the spleen in btc? A: 0" in first.prompt
    assert first.prompt.endswith("Q: Is the aorta above the spleen in amo?")
    assert "in amo? A: 1" in second.prompt and first.filters["relation"] == "above"
    assert first.cluster != second.cluster


def test_markers(tmp_path: Path) -> None:
    items = made("mirp", tmp_path, part="RQ2", marker="letters")
    assert {q.filters["part"] for q in items.questions} == {"RQ2 letters"}
    with pytest.raises(ValueError, match=r"qa_dots\.json: the file is not there"):
        load("mirp", tmp_path, part="RQ2")


@pytest.mark.parametrize(
    ("text", "value"), [("1", "yes"), (" 0. ", "no"), ("yes", None), ("1 or 0", None), ("10", None)]
)
def test_only_the_declared_character_counts(tmp_path: Path, text: str, value: str | None) -> None:
    task, items = task_named("mirp"), made("mirp", tmp_path)
    reading = task.read(items.questions[0], Prediction(text))
    assert reading.value == value and (reading.outcome == "read") == (value is not None)


def test_always_one_has_half_the_answers_and_a_worse_f1(tmp_path: Path) -> None:
    task, items = task_named("mirp"), made("mirp", tmp_path)
    found = table(task, scored(task, items, lambda question, target: Prediction("1")))
    assert found["accuracy"] == 0.5 and found["f1_yes"] == pytest.approx(2 / 3)


def test_wrong_entries(tmp_path: Path) -> None:
    made("mirp", tmp_path)
    edit(tmp_path / QA, '"answer": 0', '"answer": 2')
    refused(
        "mirp", tmp_path, r"qa\.json, line \d+: 'answer' is none of the allowed values; expected 1 or 0", 1
    )
