"""MedQ-Bench: pictures in cells or files, letters or numbers as answers, marks of a judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from foveate.evals.registry import task_named

from .answers import nothing, right, scored, table
from .loading import edit, made, refused

TSV = "medq-bench/medqbench_QA_test.tsv"


def test_choices(tmp_path: Path) -> None:
    items = made("medq-bench", tmp_path)
    assert [q.options for q in items.questions] == [("Yes", "No"), ("not", "mildly", "severely")]
    assert [items.targets[q.id].answer for q in items.questions] == ["A", "B"]
    assert items.questions[0].prompt.startswith("Please carefully observe this medical image")
    assert items.questions[0].images[0].open().plane_size("image") == (96, 80)


def test_descriptions_are_asked_with_the_official_persona(tmp_path: Path) -> None:
    [one] = made("medq-bench", tmp_path, part="description").questions
    [pair] = made("medq-bench", tmp_path, part="paired").questions
    assert len(one.images) == 1 and len(pair.images) == 2
    assert "quality assessment expert" in one.prompt and "compare the two images" in pair.prompt


def test_the_judge_is_given_rubric_reference_and_description(tmp_path: Path) -> None:
    task, items = task_named("medq-bench"), made("medq-bench", tmp_path, part="paired")
    heard: list[str] = []

    def judge(prompt: str) -> str:
        heard.append(prompt)
        return "Score: 1"

    found = table(task, scored(task, items, right, judge))
    assert len(heard) == 4 and all("The first is sharper" in prompt for prompt in heard)
    assert "names the same image" in heard[3] and found["judged_sum"] == 4 and found["judge_failed"] == 0


def test_a_judge_that_rambles_gives_no_mark(tmp_path: Path) -> None:
    task, items = task_named("medq-bench"), made("medq-bench", tmp_path, part="description")
    found = table(task, scored(task, items, right, lambda prompt: "I would say 2, or perhaps 1."))
    assert found == {"judge_failed": 1.0}


def test_without_a_judge_or_an_answer(tmp_path: Path) -> None:
    task, items = task_named("medq-bench"), made("medq-bench", tmp_path, part="description")
    assert scored(task, items, right)[0].values == {}
    assert table(task, scored(task, items, nothing, lambda prompt: "Score: 2"))["judged_sum"] == 0


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "\t0\tCT",
            "\tC\tCT",
            "line 2: the answer is no letter of an option; expected a letter of 2 options",
        ),
        ("iVBOR", "?VBOR", "line 2: its image is no base64 text"),
        ("iVBOR", "AAAAA", "line 2: its image cannot be read"),
        ("Is there noise?", "", "line 2: 'question' is missing"),
        ("\n2\t", "\n1\t", "line 3: the same question as on .*line 2"),
    ],
)
def test_wrong_rows(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    made("medq-bench", tmp_path)
    edit(tmp_path / TSV, old, new)
    refused("medq-bench", tmp_path, complaint, 1)
