"""What is installed: every folder and data file that the code reads, and pinned versions without places."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOUSES = ("agent", "evals", "pocket", "prompts", "tools")
NOT_CARRIED = {"build", "data", "out", "runs", "__pycache__", "foveate.egg-info", "tests"}


def config() -> dict[str, dict[str, dict[str, list[str]]]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_python_file_is_in_a_package() -> None:
    strays = [
        path.relative_to(ROOT) for house in HOUSES for path in (ROOT / house).rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    ]  # fmt: skip
    assert strays == []


def test_constraints_pin_versions_and_name_no_place() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", line)] == []
    assert "torch==2.13.0" in lines


def test_every_dependency_is_pinned() -> None:
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").open()}
    project = config()["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    names = {re.match(r"[A-Za-z0-9._-]+", need).group().lower().replace("_", "-") for need in wanted}  # type: ignore
    assert names - pinned == set()


def left_behind(_: str, names: list[str]) -> set[str]:
    return {name for name in names if name in NOT_CARRIED or name.startswith(".")}


@pytest.mark.slow
def test_a_built_wheel_holds_what_the_code_reads(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=left_behind)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        tmp_path,
        source,
    ]
    done = subprocess.run(build, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("foveate-*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "prompts/notice.txt",
        "prompts/tools.toml",
        "agent/page/template.html",
        "pocket/demo/questions.json",
    ):
        assert f"foveate/{name}" in inside
    for house in HOUSES:
        files = [path for path in (source / house).rglob("*") if path.is_file() and path.suffix != ".md"]
        assert {f"foveate/{path.relative_to(source)}" for path in files} - inside == set()
