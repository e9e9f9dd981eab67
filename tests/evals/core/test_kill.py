"""A run killed ten times gives what an unbroken one gives: nothing lost, nothing asked twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.log import list_eval_logs, read_eval_log

SAMPLES, PARALLEL = 60, 8


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def without_times(path: Path) -> list[dict[str, Any]]:
    return [{**record, "seconds": None} for record in records(path)]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_kills_change_nothing(tmp_path: Path) -> None:
    script, folder = Path(__file__).with_name("killing.py"), tmp_path / "killed"
    line = [sys.executable, str(script), str(folder), str(SAMPLES), "5"]
    ran = subprocess.run(line, capture_output=True, text=True, timeout=880)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["status"] == [0, 0], folder.with_suffix(".err").read_text()[-2000:]
    assert len(set(told["at"])) > 3, "the kills came at different moments"

    assert without_times(folder / "samples.jsonl") == without_times(tmp_path / "unbroken" / "samples.jsonl")
    whole, unbroken = (json.loads((f / "results.json").read_text()) for f in (folder, tmp_path / "unbroken"))
    assert whole == unbroken

    asked = [record["id"] for record in records(folder / "predictions.jsonl")]
    assert sorted(asked) == [f"q{number:05d}" for number in range(SAMPLES)]
    begun = Counter((tmp_path / "begun.txt").read_text().split())
    # both runs begin every question once; a kill makes those in flight, and no others, begin again
    assert sum(begun.values()) <= 2 * SAMPLES + 10 * PARALLEL

    [log] = list_eval_logs(str(folder / "inspect"))
    read = read_eval_log(log)
    assert read.status == "success" and read.samples is not None
    assert sorted(str(sample.id) for sample in read.samples) == sorted(asked)
