"""What the README promises: its commands, its options and its Python."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from foveate.agent.models.errors import ModelError
from foveate.agent.models.factory import pocket_folder

from .conftest import Foveate

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def weights_are_here() -> bool:
    try:
        return bool(pocket_folder())
    except ModelError:
        return False


def test_every_make_target_exists() -> None:
    named = set(
        re.findall(
            r"`?make ([a-z-]+)", "\n".join(blocks("")) + "".join(re.findall(r"`make [a-z-]+`", README))
        )
    )
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named >= {"demo", "test"} and named - targets == set()


def test_every_option_exists(foveate: Foveate) -> None:
    lines = re.findall(r"^(?:\.venv/bin/)?foveate (\w+)(.*)$", "\n".join(blocks("")), re.MULTILINE)
    assert {command for command, _ in lines} >= {"ask", "ground", "doctor"}
    for command, rest in lines:
        options = set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", rest))
        assert [option for option in options if option not in foveate(command, "--help").out] == []


def test_every_picture_and_path_exists() -> None:
    for path in re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(
        r"`((?:pocket|prompts|docs)/[^`]+)`", README
    ):
        assert (ROOT / path).exists(), path


@pytest.mark.skipif(not weights_are_here(), reason="the pocket model's weights are not here")
@pytest.mark.parametrize("code", [code for code in blocks("python") if "import Agent" in code])
def test_the_python_runs(code: str) -> None:
    assert len([line for line in code.splitlines() if line]) <= 10
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
