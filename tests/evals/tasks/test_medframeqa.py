"""MedFrameQA: frames from Parquet cells, options in several orders, and the vote over them."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.contract.answers import Prediction
from foveate.evals.contract.questions import Question, Target
from foveate.evals.registry import task_named
from foveate.evals.tasks.medframeqa import option_orders

from .answers import right, scored, table
from .loading import made, refused


def test_frames_options_and_prompt(tmp_path: Path) -> None:
    first, second = made("medframeqa", tmp_path).questions
    assert (len(first.images), len(second.images)) == (2, 3)
    assert first.images[0].open().plane_size("image") == (96, 80)
    assert first.prompt.startswith(
        "Question: Which frame shows it best?\nOptions:\nA. the first\nB. the second"
    )
    assert first.prompt.endswith("directly.") and first.filters["modality"] == "CT"


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_orders_are_different_orders_of_all_options(count: int, orders: int, seed: int) -> None:
    found = option_orders(count, orders, seed)
    assert found[0] == tuple(range(count)) and len(set(found)) == len(found) <= orders
    assert all(sorted(order) == list(range(count)) for order in found)
    assert found == option_orders(count, orders, seed)


def test_letters_follow_their_options(tmp_path: Path) -> None:
    items = made("medframeqa", tmp_path, orders="4")
    right_text = {"q1": "the second", "q2": "size"}
    for question in items.questions:
        answer = items.targets[question.id].answer
        assert answer is not None and question.group is not None
        assert question.options["ABCD".index(answer)] == right_text[question.group.rpartition("-")[2]]


def test_the_vote_maps_letters_back(tmp_path: Path) -> None:
    task, items = task_named("medframeqa"), made("medframeqa", tmp_path, orders="4")
    full = table(task, scored(task, items, right))
    assert full["vote_accuracy"] == full["order_agreement"] == full["accuracy"] == 1

    def always_a(question: Question, target: Target) -> Prediction:
        return Prediction("A")

    stubborn = table(task, scored(task, items, always_a))
    assert stubborn["order_agreement"] < 1  # one letter is many options

    def wrong_in_first_order(question: Question, target: Target) -> Prediction:
        wrong = next(letter for letter in "AB" if letter != target.answer)
        return Prediction(wrong if question.filters["order"] == "0" else str(target.answer))

    saved = table(task, scored(task, items, wrong_in_first_order))
    assert saved["accuracy"] == 0 and saved["vote_accuracy"] == 1


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("correct_answer", "E", "row 1: the answer is no letter of an option"),
        ("options", None, "row 1: 'options' is missing; expected a list"),
        ("image_1", {"bytes": b"no picture", "path": ""}, "row 1: its image cannot be read"),
        ("question_id", "q2", "row 2: the same question_id as on .*row 1"),
    ],
)
def test_wrong_rows(tmp_path: Path, column: str, value: object, complaint: str) -> None:
    made("medframeqa", tmp_path)
    [path] = (tmp_path / "medframeqa" / "data").glob("*.parquet")
    stored = pq.read_table(path)
    rows = stored.to_pylist()
    rows[0][column] = value
    pq.write_table(type(stored).from_pylist(rows, schema=stored.schema), path)
    refused("medframeqa", tmp_path, complaint, 1)


def test_orders_must_be_few(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a whole number from 1 to 6"):
        made("medframeqa", tmp_path, orders="100")
