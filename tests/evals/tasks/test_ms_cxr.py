"""MS-CXR's files, whole and broken: boxes of one sentence are merged, and nothing wrong passes in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from foveate.evals.contract.problems import DataProblem
from foveate.evals.contract.questions import Items
from foveate.evals.contract.tasks import LoadOptions
from foveate.evals.registry import task_named

from .files import save_csv, save_picture
from .sets_xray import MS_CXR, ms_cxr_path, ms_cxr_rows, write_ms_cxr, write_ms_cxr_json

CSV = "MS_CXR_Local_Alignment_v1.1.0.csv"
Table = list[list[object]]


def loaded(root: Path, partial: bool = False, **chosen: str) -> Items:
    return task_named("ms-cxr").load(root, LoadOptions(partial=partial, chosen=chosen))


def test_rows_of_one_sentence_and_image_are_one_question(tmp_path: Path) -> None:
    write_ms_cxr(tmp_path / "ms-cxr")
    items = loaded(tmp_path)
    boxes = {q.prompt: [r.box for r in items.targets[q.id].regions] for q in items.questions}
    assert boxes == {
        "Please locate the following sentence: small apical air collection": [(10, 12, 40, 32)],
        "Please locate the following sentence: fluid at both bases": [(5, 50, 25, 75), (60, 52, 85, 76)],
        "Please locate the following sentence: the heart is wide": [(30, 30, 70, 60)],
    }
    clusters = [question.cluster for question in items.questions]
    assert clusters[1] == clusters[2] != clusters[0]
    assert "p1" not in "".join(clusters) and [q.filters["boxes"] for q in items.questions] == ["1", "2", "1"]


def test_csv_and_json_give_the_same_questions(tmp_path: Path) -> None:
    write_ms_cxr(tmp_path / "csv" / "ms-cxr")
    write_ms_cxr_json(tmp_path / "json" / "ms-cxr")
    one, other = loaded(tmp_path / "csv"), loaded(tmp_path / "json")
    assert one.targets == other.targets
    assert [(q.id, q.prompt, q.filters) for q in one.questions] == [
        (q.id, q.prompt, q.filters) for q in other.questions
    ]


def test_splits_and_single_boxes(tmp_path: Path) -> None:
    write_ms_cxr(tmp_path / "ms-cxr")
    assert [q.filters["finding"] for q in loaded(tmp_path, split="train").questions] == ["Pneumothorax"]
    assert len(loaded(tmp_path, split="test").questions) == 2
    assert [q.filters["boxes"] for q in loaded(tmp_path, boxes="single").questions] == ["1", "1"]
    with pytest.raises(DataProblem, match=r"no question can be made of it"):
        loaded(tmp_path, split="val")
    with pytest.raises(DataProblem, match="expected one of: all, test, val, train"):
        loaded(tmp_path, split="dev")


def test_version_1_0_0_has_no_splits(tmp_path: Path) -> None:
    folder = tmp_path / "ms-cxr"
    write_ms_cxr(folder)
    (folder / CSV).unlink()
    save_csv(folder / "MS_CXR_Local_Alignment_v1.0.0.csv", MS_CXR[:-1], [row[:-1] for row in ms_cxr_rows()])
    assert len(loaded(tmp_path).questions) == 3
    with pytest.raises(DataProblem, match="'split' is missing"):
        loaded(tmp_path, split="test")


def test_header_of_another_case_is_read(tmp_path: Path) -> None:
    write_ms_cxr(tmp_path / "ms-cxr")
    save_csv(tmp_path / "ms-cxr" / CSV, [name.title() for name in MS_CXR], ms_cxr_rows())
    assert len(loaded(tmp_path).questions) == 3


def change(row: int, column: str, value: object) -> Callable[[Table], None]:
    def apply(rows: Table) -> None:
        rows[row][MS_CXR.index(column)] = value

    return apply


@pytest.mark.parametrize(
    ("broken", "complaint", "left"),
    [
        (change(1, "x", "NaN"), r"line 3: 'x' is nan; expected a finite number", 2),
        (change(1, "w", ""), r"line 3: 'w' is missing; expected a number", 2),
        (change(1, "x", 90), r"line 3: the box .* is off the image; expected .* 0 to 96", 2),
        (change(3, "h", 0), r"line 5: the box .* is empty", 2),
        (
            change(3, "image_width", 48),
            r"line 5: its image has 96 x 80 pixels; expected the original of 48",
            2,
        ),
        (change(2, "image_width", 48), r"line 4: another image size than in the sentence's first row", 2),
        (change(0, "path", "files/../../etc/passwd"), r"line 2: (the path is not|the image that)", 2),
        (change(0, "path", "/etc/hostname"), r"line 2: ", 2),
        (change(0, "category_name", "Nothing"), r"line 2: 'category_name' is none of the allowed values", 2),
        (lambda rows: rows.append(list(rows[0])), r"line 6: the same box of one sentence as on .*line 2", 2),
    ],
)
def test_a_wrong_row_stops_the_run_and_spoils_its_whole_question(
    tmp_path: Path, broken: Callable[[Table], None], complaint: str, left: int
) -> None:
    write_ms_cxr(tmp_path / "ms-cxr")
    rows = ms_cxr_rows()
    broken(rows)
    save_csv(tmp_path / "ms-cxr" / CSV, MS_CXR, rows)
    with pytest.raises(DataProblem, match=rf"ms-cxr/{CSV}, {complaint}"):
        loaded(tmp_path)
    part = loaded(tmp_path, partial=True)
    assert len(part.questions) == left and not part.complete
    assert all(len(part.targets[q.id].regions) == int(q.filters["boxes"]) for q in part.questions)


def test_all_faults_are_counted(tmp_path: Path) -> None:
    write_ms_cxr(tmp_path / "ms-cxr")
    rows = ms_cxr_rows()
    for row in rows:
        row[MS_CXR.index("y")] = "nan"
    save_csv(tmp_path / "ms-cxr" / CSV, MS_CXR, rows)
    with pytest.raises(DataProblem, match=r"line 2: .* 2 more records have faults\. Give --partial"):
        loaded(tmp_path)


def test_a_resized_copy_is_noticed(tmp_path: Path) -> None:
    write_ms_cxr(tmp_path / "ms-cxr")
    save_picture(tmp_path / "ms-cxr" / ms_cxr_path(1), 1, 64, 64)
    with pytest.raises(DataProblem, match="64 x 64 pixels; expected the original of 96 x 80"):
        loaded(tmp_path)


def test_missing_columns(tmp_path: Path) -> None:
    write_ms_cxr(tmp_path / "ms-cxr")
    keep = [k for k, name in enumerate(MS_CXR) if name not in ("label_text", "w")]
    save_csv(
        tmp_path / "ms-cxr" / CSV, [MS_CXR[k] for k in keep], [[r[k] for k in keep] for r in ms_cxr_rows()]
    )
    with pytest.raises(
        DataProblem, match="line 1: no column label_text, w; expected the columns category_name"
    ):
        loaded(tmp_path, partial=True)


def test_an_empty_set(tmp_path: Path) -> None:
    write_ms_cxr(tmp_path / "ms-cxr")
    save_csv(tmp_path / "ms-cxr" / CSV, MS_CXR, [])
    with pytest.raises(DataProblem, match=f"ms-cxr/{CSV}: no question can be made of it"):
        loaded(tmp_path)
