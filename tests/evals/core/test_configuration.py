"""The key of a run: everything that decides a result is in it, and what does not is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foveate.evals.bench.squares import Squares
from foveate.evals.contract.images import FileImage
from foveate.evals.contract.problems import DataProblem
from foveate.evals.contract.questions import Question
from foveate.evals.contract.tasks import LoadOptions
from foveate.evals.inspect import configuration
from foveate.evals.inspect.configuration import (
    Configuration,
    differing,
    grounder_digest,
    items_digest,
    run_key,
)
from foveate.evals.inspect.errors import EvalInputError
from foveate.evals.inspect.folder import RunFolder

BASE = Configuration("squares", model="openai:a", base_url="http://localhost:1/v1", grounder="none")
CHANGES = {
    "model": "openai:b",
    "base_url": "http://localhost:2/v1",
    "use_tools": False,
    "decoding": "semsam",
    "grounder": "pocket",
    "max_steps": 3,
    "max_seconds": 9.0,
    "seed": 1,
    "judge": "openai:c",
    "options": {"split": "test"},
    "variant": "blank",
}


@pytest.fixture
def questions() -> list[Question]:
    return list(Squares(3).load(Path(), LoadOptions()).questions)


@pytest.mark.parametrize("name", CHANGES)
def test_every_choice_is_in_the_key(name: str, questions: list[Question]) -> None:
    one = BASE.described(questions)
    other = replace(BASE, **{name: CHANGES[name]}).described(questions)
    assert run_key(one) != run_key(other) and name in differing(one, other)
    assert run_key(one) == run_key(replace(BASE).described(list(questions)))


def test_words_order_and_image_bytes_are_in_the_key(questions: list[Question], tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)
    held = [replace(questions[0], images=(FileImage(path),))]
    digests = {items_digest(held), items_digest(questions), items_digest(questions[::-1])}
    digests.add(items_digest([replace(questions[0], prompt="Where?"), *questions[1:]]))
    digests.add(items_digest([replace(questions[0], options=("a", "b")), *questions[1:]]))
    Image.fromarray(np.ones((4, 4), np.uint8)).save(path)
    digests.add(items_digest(held))
    assert len(digests) == 6


def test_sources_and_prompts_are_in_the_key(
    questions: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in configuration.SOURCES:
        (tmp_path / package / "bench").mkdir(parents=True)
        (tmp_path / package / "a.py").write_text("1")
    monkeypatch.setattr(configuration, "package_folder", lambda name: tmp_path / name)

    def digest() -> str:
        configuration.code_digest.cache_clear()
        return configuration.code_digest()

    before = digest()
    (tmp_path / "evals" / "bench" / "b.py").write_text("only times")
    assert digest() == before
    (tmp_path / "prompts" / "a.py").write_text("2")
    assert digest() != before
    configuration.code_digest.cache_clear()


def test_the_weights_of_a_grounder_are_in_the_key(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    specs = [f"clipseg@{tmp_path / 'one'}", f"fuse(pocket+clip@{tmp_path / 'one'})"]
    before = [grounder_digest(spec) for spec in specs]
    (tmp_path / "two" / "weights").write_bytes(b"1")
    assert [grounder_digest(spec) for spec in specs] == before
    (tmp_path / "one" / "weights").write_bytes(b"1")
    assert all(grounder_digest(spec) != old for spec, old in zip(specs, before, strict=True))
    assert grounder_digest("none") is None and grounder_digest("diffusion") == grounder_digest("pocket")


def test_a_missing_image_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataProblem, match=r"/gone\.png: the image cannot be read"):
        FileImage(tmp_path / "gone.png").digest()


def test_a_folder_holds_one_configuration_and_one_process(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with RunFolder(path, {"model": "a"}).opened() as folder:
        folder.predictions.add({"id": "x"})
        with pytest.raises(EvalInputError, match="another process"), RunFolder(path, {"model": "a"}).opened():
            pass
    with RunFolder(path, {"model": "a"}).opened() as folder:
        assert "x" in folder.predictions
    with pytest.raises(EvalInputError, match="differs in: model"), RunFolder(path, {"model": "b"}).opened():
        pass
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(EvalInputError, match="not empty"), RunFolder(tmp_path / "other", {}).opened():
        pass
