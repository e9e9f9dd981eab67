"""RefPath's lines: one question an expression."""

from __future__ import annotations

from pathlib import Path

from .loading import boxes, edit, load, made, refused

LINES = "refpath/testA.jsonl"


def test_expressions_and_splits(tmp_path: Path) -> None:
    items = made("refpath", tmp_path)
    assert boxes(items) == [[(10, 20, 60, 70)]]
    assert items.questions[0].prompt == "Locate: Upper-left corner: a cluster of dark cells."
    assert [q.filters["split"] for q in load("refpath", tmp_path, split="both").questions] == [
        "testA",
        "testB",
    ]
    edit(tmp_path / LINES, '["Upper', '["Another.", "Upper')
    assert len(load("refpath", tmp_path).questions) == 2


def test_wrong_lines(tmp_path: Path) -> None:
    made("refpath", tmp_path)
    edit(tmp_path / LINES, "60, 70", "60, 170")
    refused("refpath", tmp_path, r"testA\.jsonl, line 1: the box .* off the image", 1, split="both")
    edit(tmp_path / LINES, "60, 170", "60")
    refused("refpath", tmp_path, r"'bbox' is a list of 3; expected a list of 4 numbers", 0)
    edit(tmp_path / LINES, '"width": 128', '"width": 64')
    refused("refpath", tmp_path, r"expected the original of 64 x 128", 0)
