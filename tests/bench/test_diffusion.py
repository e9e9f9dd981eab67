"""The diffusion benchmark runs on real classes and says what it missed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from foveate.evals.bench import diffusion
from foveate.evals.bench.diffusion import Timed
from foveate.evals.bench.rows import Row
from foveate.tools.grounding.diffusion.protocol import Denoiser
from foveate.tools.grounding.diffusion.recipes import Recipe

from ..grounding.diffusion.tiny import save_pipeline


def test_a_row_says_what_it_missed() -> None:
    assert Row("a", 24.9, "x", at_least=25).missed and not Row("a", 25, "x", at_least=25).missed
    assert Row("b", 65, "MiB", 64).missed and "MISSED" in Row("b", 65, "MiB", 64).line()
    assert not Row("c", 1, "s").missed


def test_the_ratios_of_a_run_are_of_its_own_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Timings replaced, so that only the arithmetic and the passes' names are under test."""

    def told(recipe: Recipe, phrases: list[str], denoiser: Denoiser, runs: int = 1) -> Timed:
        slow = recipe.method == "ldm"
        return Timed(40.0 * len(phrases) if slow else 1.0, 400 * len(phrases) if slow else 4)

    monkeypatch.setattr(diffusion, "timed", told)
    folder = save_pipeline(tmp_path / "model")
    diffusion.main(["--model", str(folder), "--no-memory", "--out", str(tmp_path)])
    rows = {row["name"]: row for row in json.loads((tmp_path / "diffusion.json").read_text())}
    assert rows["1 phrase: ldm as published / fast, forward passes"]["value"] == 100
    assert rows["10 phrases: ldm as published / fast, wall time"]["value"] == 400
    assert not any(row["missed"] for row in rows.values()) and "target ≥ 60" in capsys.readouterr().out
