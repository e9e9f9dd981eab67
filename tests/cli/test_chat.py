"""A conversation in a terminal: questions, commands, mistakes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Foveate

FOUND = ("answer", {"text": "There.", "claims": [{"text": "a spot", "box": [10, 10, 60, 40], "view": "V0"}]})


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    return lambda *lines: monkeypatch.setattr("sys.stdin", io.StringIO("\n".join([*lines, ""])))


def test_a_conversation_knows_what_was_found(
    foveate: Foveate, picture: Path, script: Callable[..., str], typed: Callable[..., None], tmp_path: Path
) -> None:
    model = script(
        [FOUND], [("measure", {"region": "E1"})], [("answer", {"text": "Small.", "abstained": True})]
    )
    out = tmp_path / "out"
    typed("Is there a spot?", "", "How large is it?", f"/out {out}", "/quit", "never asked")
    ran = foveate("chat", str(picture), "--model", model, "--grounder", "none")
    assert ran.code == 0, ran.err
    told = ran.out.splitlines()
    assert "There." in told and "  E1 a spot: slice 0, [10, 10, 60, 40]" in told and "Small." in told
    assert any(line.startswith("  2 measure: E1") for line in told)
    assert json.loads((out / "answer.json").read_text())["question"] == "How large is it?"


def test_a_box_and_an_image_come_with_the_next_question(
    foveate: Foveate, picture: Path, script: Callable[..., str], typed: Callable[..., None]
) -> None:
    model = script([("measure", {"region": "E1"})], [("answer", {"text": "Small.", "abstained": True})])
    typed("/box 5 5 25 30", "What is in the box?")
    ran = foveate("chat", str(picture), "--model", model, "--grounder", "none")
    assert any("measure: E1 20.0 x 25.0" in line for line in ran.out.splitlines()), ran.out


WRONG = {"text": "The band is on the image right.", "box": [20, 10, 60, 50], "view": "V0"}


def test_answers_are_checked_as_they_are_for_ask(
    foveate: Foveate, picture: Path, script: Callable[..., str], typed: Callable[..., None]
) -> None:
    model = script([("answer", {"text": "A band.", "claims": [WRONG]})])
    said = {}
    for level in ("none", "basic"):
        typed("What is there?")
        ran = foveate("chat", str(picture), "-m", model, "--grounder", "none", "--checks", level)
        assert ran.code == 0, ran.err
        said[level] = ran.out.splitlines()
    assert "A band." in said["none"] and "A band." not in said["basic"]
    [line] = [line for line in said["basic"] if line.startswith("  2 check")]
    assert "check geometry: it says right of the image" in line
    assert any("Not supported by a check" in line for line in said["basic"])


def test_a_level_that_is_none_is_bad_usage(foveate: Foveate, picture: Path) -> None:
    ran = foveate("chat", str(picture), "--checks", "some")
    assert ran.code == 2 and ran.err.count("\n") == 1 and "some" in ran.err


def test_a_box_that_is_none_is_not_kept(
    foveate: Foveate, picture: Path, script: Callable[..., str], typed: Callable[..., None]
) -> None:
    typed("/box 5 5 9999 30", "What is in the box?", "Is there a spot?")
    ran = foveate("chat", str(picture), "--model", script([FOUND]), "--grounder", "none")
    assert ran.code == 0 and len(ran.err.splitlines()) == 1 and "There." in ran.out, ran.out


def test_a_mistake_ends_nothing(
    foveate: Foveate, picture: Path, script: Callable[..., str], typed: Callable[..., None]
) -> None:
    model = script([FOUND])
    typed("/box 1 2", "/image nowhere.png", "/out x", "/help", "x" * 9000, "Is there a spot?")
    ran = foveate("chat", str(picture), "--model", model, "--grounder", "none")
    assert ran.code == 0 and "There." in ran.out
    assert len(ran.err.splitlines()) == 4 and all(
        line.startswith("foveate: ") for line in ran.err.splitlines()
    )


def test_a_bad_image_is_refused_before_a_model_is_loaded(foveate: Foveate) -> None:
    ran = foveate("chat", "nowhere.png")
    assert ran.code == 2 and "nowhere.png" in ran.err
