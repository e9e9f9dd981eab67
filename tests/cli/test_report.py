"""`foveate report` on the shipped images and weights; what cannot be read is one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foveate.agent.cli import run

DEMO = Path(__file__).resolve().parents[2] / "pocket" / "demo"


def test_a_report_in_words_is_grounded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told_in_words = "The liver is homogeneous. The spleen is small. There is no lung nodule."
    (tmp_path / "report.txt").write_text(told_in_words)
    words = str(tmp_path / "report.txt")
    code = run(["report", str(DEMO / "liver_spleen.nii.gz"), "--text", words, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == 0 and [f["phrases"] for f in told["findings"]] == [["liver"], ["spleen"], ["lung nodule"]]
    ids = [box["id"] for finding in told["findings"] for box in finding["boxes"] or []]
    assert len(ids) >= 2 and len(set(ids)) == len(ids)
    [box] = told["grounded"][0]["boxes"]
    assert len(box) == 4 and all(0 <= v <= 1 for v in box) and told["grounded"][2]["boxes"] is None


def test_what_was_found_is_drawn_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.txt").write_text(
        "The liver is large. No urinary bladder. No pneumothorax. The patient smiled."
    )
    words, out = str(tmp_path / "report.txt"), tmp_path / "out"
    code = run(["report", str(DEMO / "liver_spleen.nii.gz"), "--text", words, "--out", str(out)])
    said = capsys.readouterr().out
    assert code == 0 and "1 The liver is large." in said and "E1 liver" in said
    assert "2 No urinary bladder. (looked for, and absent)" in said
    assert "3 No pneumothorax. (not supported: not found, but the grounder was not taught this name" in said
    assert "4 The patient smiled. (not supported: names no finding or structure that is known)" in said
    assert {path.name for path in out.iterdir()} == {"report.json", "overlay.png"}
    told = json.loads((out / "report.json").read_text())
    [x0, y0, x1, y1] = (round(edge * 960 / 512) for edge in told["findings"][0]["boxes"][0]["box"])
    drawn = np.asarray(Image.open(out / "overlay.png").convert("RGB"), int)
    colored = np.ptp(drawn, axis=2) > 60
    assert colored[y0 - 3 : y0 + 4, (x0 + x1) // 2].any() and colored[(y0 + y1) // 2, x0 - 3 : x0 + 4].any()


def test_ground_tells_a_name_that_the_locator_was_not_taught(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["ground", str(DEMO / "liver_spleen.nii.gz"), "flux capacitor", "urinary bladder"])
    said = capsys.readouterr().out
    assert code == 0 and "was not taught flux capacitor: that it is not found says little" in said


@pytest.mark.parametrize(("content", "why"), [("", "empty"), (None, "cannot be read")])
def test_a_text_that_is_none_is_one_line(
    content: str | None, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.txt"
    if content is not None:
        path.write_text(content)
    assert run(["report", str(DEMO / "liver_spleen.nii.gz"), "--text", str(path)]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert why in line
