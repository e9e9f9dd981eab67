"""MedSG-Bench: image sequences, marked boxes inside questions, means over tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from foveate.evals.registry import task_named

from .answers import right, scored, table
from .loading import edit, made, refused


def test_eight_tasks_with_their_images(tmp_path: Path) -> None:
    items = made("medsg-bench", tmp_path)
    assert len({q.filters["task"] for q in items.questions}) == 8
    assert {len(q.images) for q in items.questions} == {2, 3}


def test_a_box_in_a_question_is_marked_evidence(tmp_path: Path) -> None:
    items = made("medsg-bench", tmp_path)
    [asked] = [q for q in items.questions if q.filters["task"] == "object_tracking"]
    assert asked.prompt == "Follow the object (E1) to the last picture."
    assert [region.box for region in asked.marked] == [(10, 20, 30, 40)]


def test_the_image_of_the_answer_plays_no_part_and_tasks_weigh_the_same(tmp_path: Path) -> None:
    task, items = task_named("medsg-bench"), made("medsg-bench", tmp_path)

    def on_last(question, target):  # type: ignore[no-untyped-def]
        answer = right(question, target)
        last = replace(answer.regions[0], image=len(question.images) - 1)
        return replace(answer, regions=(last,))

    samples = scored(task, items, on_last)
    assert table(task, samples)["AVE_IOU"] == 1
    missed = replace(samples[0], values={**samples[0].values, "miou_box": 0.0})
    assert table(task, [missed] * 9 + samples[1:])["AVE_IOU"] == pytest.approx(7 / 8)


def test_wrong_entries(tmp_path: Path) -> None:
    made("medsg-bench", tmp_path)
    edit(tmp_path / "medsg-bench/Task1.json", '"Registered_Diff"', '"Other"')
    refused("medsg-bench", tmp_path, r"Task1\.json, line 2: 'task' is none of", 7)
    edit(tmp_path / "medsg-bench/Task2.json", "100", "400")
    refused("medsg-bench", tmp_path, r"2 more|1 more records have faults", 6)
    edit(tmp_path / "medsg-bench/Task4.json", "(30,40)", "30,40")
    refused("medsg-bench", tmp_path, "records have faults", 5)
