"""ProbMed: an image counts only when all its questions of a category are right."""

from __future__ import annotations

from pathlib import Path

from foveate.evals.contract.answers import Prediction
from foveate.evals.registry import task_named

from .answers import right, scored, table
from .loading import edit, made, refused

TEST = "probmed/test.json"


def test_questions_of_an_image_stay_together(tmp_path: Path) -> None:
    items = made("probmed", tmp_path)
    assert len({q.group for q in items.questions}) == 2 and len(items.questions) == 18
    assert {q.filters["category"] for q in items.questions} == {
        "modality", "body_part", "abnormality", "entity", "grounding"
    }  # fmt: skip


def test_yes_to_everything_earns_nothing_where_there_are_twins(tmp_path: Path) -> None:
    task, items = task_named("probmed"), made("probmed", tmp_path)
    found = table(task, scored(task, items, lambda question, target: Prediction("Yes.")))
    assert found["modality"] == found["entity"] == found["grounding"] == 0
    assert found["modality w/o twins"] == found["abnormality"] == 1


def test_words_that_hold_yes_are_no_yes(tmp_path: Path) -> None:
    task, items = task_named("probmed"), made("probmed", tmp_path)
    found = table(task, scored(task, items, lambda question, target: Prediction("Eyes or nose? Yes and No.")))
    assert found["overall"] == 0


def test_an_image_with_an_unanswered_twin_is_left_out(tmp_path: Path) -> None:
    task, items = task_named("probmed"), made("probmed", tmp_path)
    samples = scored(task, items, right)
    assert table(task, samples[1:])["overall"] == 1


def test_a_fault_spoils_the_image(tmp_path: Path) -> None:
    made("probmed", tmp_path)
    edit(tmp_path / TEST, '"answer": "no"', '"answer": "perhaps"')
    refused("probmed", tmp_path, r"test\.json, line \d+: 'answer' is none of the allowed values", 9)


def test_a_question_twice(tmp_path: Path) -> None:
    made("probmed", tmp_path)
    edit(tmp_path / TEST, '"modality_hallu"', '"modality_gt"')
    refused("probmed", tmp_path, r"the same question as on .*test\.json, line 2", 17)
