"""PadChest-GR: sentences with no, one or several boxes, given as shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from .loading import boxes, edit, load, made, refused

REPORTS = "padchest-gr/grounded_reports_20240819.json"


def test_shares_become_pixels_and_negatives_have_no_box(tmp_path: Path) -> None:
    items = made("padchest-gr", tmp_path)
    assert boxes(items)[0] == [pytest.approx((9.6, 16, 28.8, 32)), pytest.approx((48, 40, 72, 72))]
    assert boxes(items)[1] == []
    assert [q.filters["boxes"] for q in items.questions] == ["2", "0"]
    assert "Calcified granuloma." in items.questions[0].prompt


def test_splits(tmp_path: Path) -> None:
    made("padchest-gr", tmp_path)
    assert len(load("padchest-gr", tmp_path, split="train").questions) == 1
    assert len(load("padchest-gr", tmp_path, split="all").questions) == 3


def test_wrong_entries(tmp_path: Path) -> None:
    made("padchest-gr", tmp_path)
    edit(tmp_path / REPORTS, "0.75", "1.75")
    refused("padchest-gr", tmp_path, r"json, line 2: the box has a coordinate outside 0 to 1", 0)
    edit(tmp_path / REPORTS, "1.75", '"NaN"')
    refused("padchest-gr", tmp_path, r"json, line 2: 'boxes' is nan", 0)
    edit(tmp_path / REPORTS, '"two.png"', '"one.png"')
    refused("padchest-gr", tmp_path, "1 more records have faults", 0)
