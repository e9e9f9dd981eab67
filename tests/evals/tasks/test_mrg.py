"""MRG: boxes of the stretched square go back to the image, and a pickle with code in it is not run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from foveate.evals.registry import task_named

from .answers import right, scored, table
from .loading import boxes, load, made, refused

SET = "mrg/MRG_MS_CXR_test.pth"


def test_boxes_go_back_to_the_image(tmp_path: Path) -> None:
    items = made("mrg", tmp_path)
    assert boxes(items)[0] == [pytest.approx((12.8, 6.4, 76.8, 19.2))]
    assert "A dense patch on the left." in items.questions[0].prompt
    task = task_named("mrg")
    assert table(task, scored(task, items, right))["phrase_f1"] == 1


def stored(root: Path, **changes: object) -> None:
    content = torch.load(root / SET)
    torch.save({**content, **changes}, root / SET)


def test_wrong_content(tmp_path: Path) -> None:
    made("mrg", tmp_path)
    stored(tmp_path, bboxes=[[64, 64, 320, 128], [600, 10, 90, 60]])
    refused("mrg", tmp_path, r"test\.pth, entry 2: the box .* off the image; expected .* 0 to 640", 1)
    stored(tmp_path, phrases=["one"])
    refused("mrg", tmp_path, "its lists differ in length", 0)
    stored(tmp_path, phrases=None)
    refused("mrg", tmp_path, "it lacks a list; expected lists under image_paths, bboxes", 0)


class Code:
    """What a hostile pickle holds: a call."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_code_in_the_file_is_not_run(tmp_path: Path) -> None:
    made("mrg", tmp_path)
    torch.save({"image_paths": Code(tmp_path / "made")}, tmp_path / SET)
    with pytest.raises(ValueError, match="it cannot be read; expected a torch file of plain lists"):
        load("mrg", tmp_path)
    assert not (tmp_path / "made").exists()
