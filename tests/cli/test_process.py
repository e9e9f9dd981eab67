"""The command as a process of its own: what help imports, pipes, and streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import measured

HEAVY = {"torch", "transformers", "langchain_core", "langgraph", "numpy", "PIL", "scipy"}


def command(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "foveate.agent.cli", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize("arguments", [["--help"], ["ask", "--help"], ["ground", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from foveate.agent import cli; "
        f"code = cli.run({arguments!r}); loaded = sorted({HEAVY!r} & set(sys.modules)); "
        "print(loaded, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout
    assert done.stderr.strip() == "[]"


def test_help_names_every_command() -> None:
    text = command("--help").stdout
    assert all(f"  {name} " in text for name in ("ask", "ground", "grounders", "doctor"))


def test_standard_output_is_one_object_in_a_plain_locale(picture: Path, script) -> None:
    model = script(*measured("Größe 40 µm"))
    done = command(
        "ask", picture, "-q", "Größe?", "-m", model, "--grounder", "none", "--json",
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answer"] == "Größe 40 µm"


def test_a_reader_that_leaves_is_no_traceback(picture: Path, script) -> None:
    model = script(*measured())
    line = f"'{sys.executable}' -m foveate.agent.cli ask '{picture}' -q Q -m '{model}' --grounder none"
    done = subprocess.run(["bash", "-c", f"{line} | true"], capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
