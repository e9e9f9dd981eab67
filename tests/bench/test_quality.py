"""The quality bench on the shipped images: what is printed is what was judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foveate.agent.demo import demo_folder
from foveate.evals.bench.pictures import pictures
from foveate.evals.bench.quality import caught_lines, clean_lines, corrupted, judged, main, shares


def test_without_the_data_folder_the_shipped_images_are_judged_good(tmp_path: Path) -> None:
    of = pictures(tmp_path, demo_folder())
    assert {one.group for one in of} == {"demo"} and len(of) >= 4
    found = list(judged(of, ["gaussian_noise"], most=1))
    clean = [one for one in found if not one.severity]
    assert len(clean) == len(of) and shares(clean)["reject"] == 0
    assert [one.severity for one in found if one.severity] == [1, 2, 3, 4, 5, 6, 7]
    assert found[-1].quality.verdict == "reject", "hardly anything is left to be read"
    assert clean_lines(found)[1].split()[1] == str(len(of))
    assert caught_lines(found)[1].startswith("gaussian_noise")


def test_severity_seven_is_worse_than_five() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    darker = [corrupted(picture, "brightness_down", severity).mean() for severity in (5, 6, 7)]
    assert darker == sorted(darker, reverse=True)


def test_it_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--data", str(tmp_path), "--most", "1", "--only", "jpeg", "--out", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert "not fitted on: demo" in said and "usable from" in said
    assert (tmp_path / "out/quality.json").exists()
