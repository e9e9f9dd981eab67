"""mis-ground as a task: questions from files, their pictures, controls, and metrics with known chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foveate.evals.contract.answers import Prediction
from foveate.evals.contract.problems import DataProblem
from foveate.evals.contract.questions import Items, Question, Target
from foveate.evals.contract.tasks import LoadOptions
from foveate.evals.registry import task_named

from .answers import right, scored, table
from .bodies import write_body

TASK = task_named("mis-ground")


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> Items:
    return loaded(tmp_path_factory.mktemp("body"))


def loaded(folder: Path, seed: int = 0, codes: str = "RAS", **chosen: str) -> Items:
    volume, labels, names = (str(path) for path in write_body(folder, codes))
    given = {"volume": volume, "labels": labels, "names": names, "per_kind": "1", **chosen}
    return TASK.load(folder / "nowhere", LoadOptions(seed=seed, chosen=given))


def test_stored_orientation_and_name_of_the_file_change_nothing(items: Items, tmp_path: Path) -> None:
    other = loaded(tmp_path, codes="LPS")
    assert [q.prompt for q in other.questions] == [q.prompt for q in items.questions]
    assert other.targets == items.targets
    first, second = items.questions[0].images[0].open(), other.questions[0].images[0].open()
    assert np.array_equal(first.pixels, second.pixels)


def test_another_seed_asks_other_questions(items: Items, tmp_path: Path) -> None:
    assert [q.id for q in loaded(tmp_path, seed=1).questions] != [q.id for q in items.questions]


def test_half_the_answers_are_yes_in_every_group(items: Items) -> None:
    groups: dict[str, list[str | None]] = {}
    for question in items.questions:
        assert question.group is not None
        groups.setdefault(question.group, []).append(items.targets[question.id].answer)
    assert all(sorted(answers) == ["no", "yes"] for answers in groups.values())  # type: ignore[type-var]


def test_pictures_differ_with_what_they_show(items: Items) -> None:
    digests = {image.digest() for q in items.questions for image in q.images}
    assert len(digests) == sum(len(q.images) for q in items.questions)
    across = [
        q for q in items.questions if q.filters["slices"] == "across" and q.filters["control"] != "text"
    ]
    assert across and all(len(q.images) == 2 for q in across)


def test_controls_show_nothing(items: Items) -> None:
    for question in items.questions:
        if question.filters["control"] != "none":
            pixels = question.images[0].open().pixels
            assert len(np.unique(pixels)) == 1
            assert ("not shown" in question.prompt) == (question.filters["control"] == "text")


def test_right_answers_score_full_and_yes_to_all_scores_chance(items: Items) -> None:
    full = table(TASK, scored(TASK, items, right))
    assert full["yes_rate"] == 0.5
    assert all(value == 1 for name, value in full.items() if name != "yes_rate")
    chance = table(TASK, scored(TASK, items, lambda question, target: Prediction("yes")))
    assert chance["accuracy"] == chance["blank_accuracy"] == chance["accuracy mark=letter"] == 0.5
    assert chance["pair_consistency"] == 0 and chance["yes_rate"] == 1


def test_what_cannot_be_read_earns_nothing_and_is_told_apart(items: Items) -> None:
    def every_other(question: Question, target: Target) -> Prediction:
        told = right(question, target)
        return told if target.answer == "yes" else Prediction("The liver lies above it.")

    found = table(TASK, scored(TASK, items, every_other))
    assert found["accuracy"] == found["answered"] == 0.5 and found["accuracy_answered"] == 1
    silent = table(TASK, scored(TASK, items, lambda question, target: Prediction("It lies above.")))
    assert silent["accuracy"] == silent["answered"] == 0 and "accuracy_answered" not in silent


def test_bare_questions_are_unmarked_and_come_alone(items: Items, tmp_path: Path) -> None:
    bare = loaded(tmp_path, prompt="bare")
    assert {q.filters["mark"] for q in bare.questions} == {"none"}
    assert all(q.prompt.endswith("?") and "picture is" not in q.prompt for q in bare.questions)
    full = {q.id: q.prompt for q in items.questions}
    shared = [q for q in bare.questions if q.id in full and q.filters["relation"] in ("direction", "across")]
    assert shared and all(q.prompt in full[q.id] for q in shared)
    assert any(q.prompt.startswith("Is the ") for q in bare.questions if q.filters["relation"] == "picture")


@pytest.mark.parametrize(
    ("chosen", "complaint"),
    [
        ({"prompt": "long"}, "the option prompt is 'long'; expected one of: full, bare"),
        ({"volume": "x.nii"}, "expected all three options"),
        ({"scans": "moon"}, "expected some of: chest, abdomen, series, mr"),
        ({"colour": "red"}, "no option 'colour'"),
    ],
)
def test_wrong_options(tmp_path: Path, chosen: dict[str, str], complaint: str) -> None:
    for scan in TASK.info.expects:
        (tmp_path / scan).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / scan).touch()
    with pytest.raises(DataProblem, match=complaint):
        TASK.load(tmp_path, LoadOptions(chosen=chosen))


def test_without_data_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataProblem, match=r"python -m foveate\.pocket\.data"):
        TASK.load(tmp_path, LoadOptions())
    with pytest.raises(DataProblem, match="per_kind is 'none'"):
        loaded(tmp_path, per_kind="none")
