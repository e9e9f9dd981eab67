"""The journal: what was written is read back, and a torn line is as if it had never been."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.inspect.journal import Journal

texts = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.dictionaries(texts, texts, max_size=8), st.integers(0, 200))
def test_any_cut_leaves_whole_records_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, told: dict[str, str], cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    journal = Journal(path)
    for name, value in told.items():
        journal.add({"id": name, "value": value})
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: max(0, len(whole) - cut)])
    again = Journal(path)
    kept = [(record["id"], record["value"]) for record in again]
    assert kept == list(told.items())[: len(kept)]
    assert len(kept) == whole[: max(0, len(whole) - cut)].count(b"\n")
    for name, value in list(told.items())[len(kept) :]:
        again.add({"id": name, "value": value})
    assert [record["value"] for record in again] == list(told.values())
    again.close()
    assert path.read_bytes() == whole


def test_nothing_is_written_twice(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    journal.add({"id": "a"})
    with pytest.raises(KeyError):
        journal.add({"id": "a"})
    assert "a" in journal and "b" not in journal and len(journal) == 1
    journal.close()
