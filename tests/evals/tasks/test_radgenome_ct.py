"""RadGenome-Chest CT: four kinds of questions, each with its own measure."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.contract.answers import Prediction
from foveate.evals.registry import task_named
from foveate.evals.tasks.radgenome_ct import millimetres, terms

from .answers import scored
from .loading import edit, made, refused


@pytest.mark.parametrize(
    ("part", "prompt", "answer"),
    [
        ("presence", "Can nodule be seen in the left lung lower lobe? Answer with yes or no.", "yes"),
        ("abnormality", "What abnormalities are present in the left lung lower lobe?", "nodule, atelectasis"),
        ("location", "Where is the nodule located in the image?", "left lung lower lobe"),
        ("size", "What is the approximate size of the nodule in the left lung lower lobe?", "50 mm"),
    ],
)
def test_questions(tmp_path: Path, part: str, prompt: str, answer: str) -> None:
    items = made("radgenome-ct-vqa", tmp_path, part=part)
    assert items.questions[0].prompt.startswith(prompt)
    assert items.targets[items.questions[0].id].answer == answer


@pytest.mark.parametrize(
    ("part", "said", "values"),
    [
        ("abnormality", "Nodule, effusion.", {"set_f1": 0.5}),
        ("size", "about 4.5 cm", {"size_read": 1.0, "size_error_mm": 5.0}),
        ("size", "40 mm or 50 mm", {"size_read": 0.0}),
        ("size", "50", {"size_read": 0.0}),
    ],
)
def test_measures(tmp_path: Path, part: str, said: str, values: dict[str, float]) -> None:
    task, items = task_named("radgenome-ct-vqa"), made("radgenome-ct-vqa", tmp_path, part=part)
    assert scored(task, items, lambda question, target: Prediction(said))[0].values == pytest.approx(values)


@given(st.floats(0.5, 500).map(lambda value: round(value, 2)))
def test_sizes_in_either_unit(size: float) -> None:
    assert millimetres(f"about {size} mm.") == pytest.approx(size)
    assert millimetres(f"{size}cm") == pytest.approx(10 * size)


def test_terms_are_a_set() -> None:
    assert terms("Nodule ,  ground  glass.,nodule") == {"nodule", "ground glass"} and terms(" , .") == set()


def test_wrong_rows(tmp_path: Path) -> None:
    made("radgenome-ct-vqa", tmp_path)
    folder = tmp_path / "radgenome-ct-vqa" / "radgenome_files"
    edit(folder / "validation_vqa_presence.csv", "Yes.", "Maybe.")
    refused("radgenome-ct-vqa", tmp_path, r"line 2: 'Presence' is neither yes nor no", 1)
    edit(folder / "validation_vqa_size.csv", "50 mm", "large")
    refused("radgenome-ct-vqa", tmp_path, r"line 2: 'Size' has no number", 0, part="size")
