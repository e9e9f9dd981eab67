"""Annotation files as records: header case is tolerated, every complaint names file and line."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.evals.tasks.parquet import read_parquet
from foveate.evals.tasks.reading import (
    existing,
    read_json,
    read_json_lines,
    read_json_records,
    read_positional,
    read_table,
)
from foveate.evals.tasks.records import DataFault

CELL = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


@settings(deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL), max_size=6))
def test_a_table_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    stream = StringIO()
    csv.writer(stream).writerows([("one", "two"), *rows])
    path = written(tmp_path_factory.mktemp("t") / "t.csv", stream.getvalue())
    kept = [row for row in rows if any(cell.strip() for cell in row)]  # blank lines are left out
    assert [tuple(r.values.values()) for r in read_table(path, ("one", "two"))] == kept


@pytest.mark.parametrize("header", ["Path,LABEL_TEXT", " path , label_text", "\ufeffPATH,Label_Text"])
def test_header_case_blanks_and_byte_order_mark_do_not_matter(tmp_path: Path, header: str) -> None:
    path = written(tmp_path / "t.csv", header + "\na,b\n")
    assert read_table(path, ("path", "label_text"))[0].values == {"path": "a", "label_text": "b"}


def test_lines_are_counted_in_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", 'a,b\n1,"two\nlines"\n\n3,4\n')
    assert [str(r.place) for r in read_table(path, ("a", "b"))] == [
        f"{tmp_path.name}/t.csv, line 2", f"{tmp_path.name}/t.csv, line 5"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"t\.csv: the file is empty; expected a header with the columns a, b"),
        ("a,c\n1,2\n", r"t\.csv, line 1: no column b; expected the columns a, b"),
        ("a,b,A\n1,2,3\n", r"t\.csv, line 1: the column a stands there twice"),
        ("a,b\n1\n", r"t\.csv, line 2: 1 cells; expected 2"),
        ('a,b\n1,2\n3,"4\n', r"t\.csv, line 3: the row cannot be read"),
    ],
)
def test_faults_of_a_table(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(DataFault, match=complaint):
        read_table(written(tmp_path / "t.csv", text), ("a", "b"))


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b\n\xff\xfe,2\n")
    with pytest.raises(DataFault, match="expected UTF-8 text"):
        read_table(tmp_path / "t.csv", ("a", "b"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFault, match=r"t\.csv: the file is not there"):
        read_table(tmp_path / "t.csv", ("a",))
    with pytest.raises(DataFault, match="there is no x or y"):
        existing(tmp_path, "x", "y")


def test_positional_rows_may_end_in_blanks_only(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "Bbox [x,y],,\n1,2\n3,4,,\n5,6,7\n")
    with pytest.raises(DataFault, match="line 4: 3 cells; expected 2: x, y"):
        read_positional(path, ("x", "y"))
    written(path, "Bbox [x,y],,\n1,2\n3,4,,\n")
    assert [r.values for r in read_positional(path, ("x", "y"))] == [
        {"x": "1", "y": "2"},
        {"x": "3", "y": "4"},
    ]


def test_json_records_know_their_line(tmp_path: Path) -> None:
    content = {"info": {"a": [1, {"b": 2}]}, "annotations": [{"x": 1}, {"x": {"y": 2}}, {"x": 3}]}
    path = written(tmp_path / "t.json", json.dumps(content, indent=2))
    lines = path.read_text().splitlines()
    for record in read_json_records(path, "annotations"):
        line = int(str(record.place).rpartition(" ")[2])
        assert lines[line - 1].strip() == "{"
        assert '"x": ' in lines[line]
    assert [r.values["x"] for r in read_json_records(path, "annotations")] == [1, {"y": 2}, 3]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[{"a": 1},\n {"a": }]', "line 2: no JSON here"),
        ('{"a": 1}', "it does not hold a list"),
        ("[\n{},\n3]", "the entry is no object"),
    ],
)
def test_faults_of_json(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(DataFault, match=complaint):
        read_json_records(written(tmp_path / "t.json", text))
    with pytest.raises(DataFault, match="there is no 'val'"):
        read_json_records(written(tmp_path / "t.json", "{}"), "val")


def test_faults_of_json_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "t.jsonl", '{"a": 1}\n\n[2]\n')
    with pytest.raises(DataFault, match="line 3: the line is no object"):
        read_json_lines(path)
    with pytest.raises(DataFault, match="line 2: no JSON here"):
        read_json_lines(written(path, '{"a": 1}\n{"a"\n'))
    assert read_json(written(path, '{"a": 1}')) == {"a": 1}


def test_a_parquet_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataFault, match="cannot be read as Parquet"):
        list(read_parquet([written(tmp_path / "t.parquet", "PAR1 not at all")], ("a",)))
