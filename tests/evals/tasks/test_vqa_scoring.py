"""VQA-RAD and SLAKE: closed and open questions are asked and scored apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from foveate.evals.contract.answers import Prediction
from foveate.evals.registry import task_named

from .answers import scored, table
from .loading import edit, load, made, refused

RAD = "vqa-rad/VQA_RAD Dataset Public.json"


def test_forms_of_the_questions(tmp_path: Path) -> None:
    items = made("vqa-rad", tmp_path)
    assert [(q.kind, q.prompt) for q in items.questions] == [
        ("yes_no", "Question 1? Please output 'yes' or 'no'(no extra output)."),
        ("text", "Question 2? Answer the question using a single word or phrase."),
        ("text", "Question 3? Please answer the question concisely."),
    ]
    everything = load("vqa-rad", tmp_path, split="all")
    assert [everything.targets[q.id].answer for q in everything.questions][3:] == ["no", "7"]


def test_closed_and_open_are_apart(tmp_path: Path) -> None:
    task, items = task_named("vqa-rad"), made("vqa-rad", tmp_path)
    said = {"1": "No.", "2": "Left one", "3": "The lower lobe."}
    answers = scored(task, items, lambda question, target: Prediction(said[question.id[-1]]))
    found = table(task, answers)
    assert found["closed_accuracy"] == 0.5  # articles do not count, a wrong word does
    assert found["open_token_recall"] == pytest.approx(2 / 4) and found["open_exact_match"] == 0


def test_languages_of_slake(tmp_path: Path) -> None:
    items = made("slake", tmp_path)
    assert [q.id for q in items.questions] == ["slake-1", "slake-2", "slake-4"]
    assert items.notes[0] == "1 records of the other language left out."
    assert [q.id for q in load("slake", tmp_path, lang="zh").questions] == ["slake-3"]


def test_wrong_records(tmp_path: Path) -> None:
    made("vqa-rad", tmp_path)
    edit(tmp_path / RAD, '"CLOSED "', '"MAYBE"')
    refused("vqa-rad", tmp_path, r"Public\.json, line 2: 'answer_type' is none of", 2)
    edit(tmp_path / RAD, '"qid": "3"', '"qid": "2"')
    refused("vqa-rad", tmp_path, r"1 more records have faults", 1)
    edit(tmp_path / RAD, '"question": "Question 2?",', "")
    refused("vqa-rad", tmp_path, "records have faults", 1)
