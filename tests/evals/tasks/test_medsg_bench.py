"""MedSG-Bench: image sequences, marked boxes inside questions, means over tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from foveate.evals.registry import task_named

from .answers import right, scored, table
from .loading import edit, load, made, refused
from .sets_vqa import write_medsg, write_medsg_parquet


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


def test_the_parquet_release_holds_the_same_questions(tmp_path: Path) -> None:
    listed = made("medsg-bench", tmp_path)
    write_medsg_parquet(tmp_path / "cells" / "medsg-bench", tmp_path / "medsg-bench")
    items = load("medsg-bench", tmp_path / "cells")
    assert [q.id for q in items.questions] == [q.id for q in listed.questions]
    assert [q.marked for q in items.questions] == [q.marked for q in listed.questions]
    assert items.targets == listed.targets
    for question, other in zip(items.questions, listed.questions, strict=True):
        for image, file in zip(question.images, other.images, strict=True):
            assert np.array_equal(image.open().pixels, file.open().pixels)


def test_pictures_unpacked_beside_the_lists_and_training_rows(tmp_path: Path) -> None:
    folder = tmp_path / "medsg-bench" / "MedSG-Bench"
    write_medsg(folder)
    for path in folder.glob("Task*.json"):
        path.write_text(path.read_text().replace("Task", "MedSG-Bench/MedSG-Bench/Task"))
    (tmp_path / "medsg-bench" / "croissant.json").write_text("{}")
    assert len(load("medsg-bench", tmp_path).questions) == 8
    edit(folder / "Task1.json", "MedSG-Bench/MedSG-Bench/Task1", "../Task1")
    refused("medsg-bench", tmp_path, "an image's name is no path within the data", 7)


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("num_images", 5, r"parquet, row 1: 3 pictures; expected 5"),
        ("answer_xyxy", [1, 2, 3], r"row 1: 'answer' is a list of 3; expected a list of 4 numbers"),
        ("raw_json", "{", r"row 1: 'raw_json' is no JSON"),
        ("image_bytes_1", b"no picture", r"row 1: its image cannot be read"),
    ],
)
def test_wrong_rows(tmp_path: Path, column: str, value: object, complaint: str) -> None:
    write_medsg(tmp_path / "lists")
    write_medsg_parquet(tmp_path / "medsg-bench", tmp_path / "lists", rows=2)
    [path] = (tmp_path / "medsg-bench").glob("*.parquet")
    stored = pq.read_table(path)
    rows = stored.to_pylist()
    rows[0][column] = value
    pq.write_table(type(stored).from_pylist(rows, schema=stored.schema), path)
    refused("medsg-bench", tmp_path, complaint, 1)


def test_training_rows_are_left_out(tmp_path: Path) -> None:
    write_medsg(tmp_path / "lists")
    write_medsg_parquet(tmp_path / "medsg-bench", tmp_path / "lists", rows=2)
    [path] = (tmp_path / "medsg-bench").glob("*.parquet")
    stored = pq.read_table(path)
    rows = stored.to_pylist()
    rows[0]["split"] = "train"
    pq.write_table(type(stored).from_pylist(rows, schema=stored.schema), path)
    items = load("medsg-bench", tmp_path)
    assert len(items.questions) == 1 and items.notes == ("1 rows of the training split left out.",)


def test_wrong_entries(tmp_path: Path) -> None:
    made("medsg-bench", tmp_path)
    edit(tmp_path / "medsg-bench/Task1.json", '"Registered_Diff"', '"Other"')
    refused("medsg-bench", tmp_path, r"Task1\.json, line 2: 'task' is none of", 7)
    edit(tmp_path / "medsg-bench/Task2.json", "100", "400")
    refused("medsg-bench", tmp_path, r"2 more|1 more records have faults", 6)
    edit(tmp_path / "medsg-bench/Task4.json", "(30,40)", "30,40")
    refused("medsg-bench", tmp_path, "records have faults", 5)
