"""Numbers in the README are copies of measured ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from foveate.evals.bench import readme
from foveate.evals.bench.rows import Row

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "pocket" / "REPORT.md"


def test_tables_go_between_their_markers_and_nowhere_else() -> None:
    text = "a\n<!-- quality: x -->\nold\n<!-- /quality -->\nb\n<!-- speed: y -->\nkept\n<!-- /speed -->\n"
    assert readme.filled(text, {"quality": "new\n"}) == text.replace("old", "new")
    assert readme.filled(text, {}) == text


def test_rows_become_a_table_with_their_targets() -> None:
    table = readme.speed_table([Row("answer", 7.25, "s", 8.0), Row("ratio", 2.0, "x")])
    assert table.splitlines()[2:] == ["| answer | 7.25 s | ≤ 8 s |", "| ratio | 2 x |  |"]


def test_a_report_without_its_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="In one table"):
        readme.quality_table("# Report\n")


@pytest.mark.skipif(not REPORT.exists(), reason="nothing has been measured yet")
def test_the_readme_holds_the_report_that_is_here() -> None:
    assert readme.quality_table(REPORT.read_text()) in (ROOT / "README.md").read_text()
