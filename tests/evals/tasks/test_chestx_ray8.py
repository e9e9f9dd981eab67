"""ChestX-ray8's list of boxes, read by position whatever its header says."""

from __future__ import annotations

from pathlib import Path

import pytest

from foveate.evals.registry import task_named

from .answers import right, scored, table
from .files import save_picture
from .loading import boxes, edit, load, made, refused

LIST = "chestx-ray8/BBox_List_2017.csv"


def test_boxes_labels_and_archives(tmp_path: Path) -> None:
    items = made("chestx-ray8", tmp_path)
    assert boxes(items)[0] == [pytest.approx((225.08, 547.02, 311.86, 626.21))]
    assert [q.filters["finding"] for q in items.questions] == ["Atelectasis", "Infiltration", "Mass"]
    assert items.questions[1].cluster == items.questions[2].cluster != items.questions[0].cluster


def test_accuracy_and_false_positives_belong_together(tmp_path: Path) -> None:
    task, items = task_named("chestx-ray8"), made("chestx-ray8", tmp_path)

    def spraying(question, target):  # type: ignore[no-untyped-def]
        answer = right(question, target)
        extra = tuple(type(answer.regions[0])((x, x, x + 20.0, x + 20.0)) for x in range(0, 1000, 50))
        return type(answer)("Here.", claims=answer.claims, regions=answer.regions + extra)

    honest, sprayed = table(task, scored(task, items)), table(task, scored(task, items, spraying))
    assert honest["iobb_acc@0.5"] == sprayed["iobb_acc@0.5"] == 1
    assert honest["iobb_afp@0.5"] == 0 and sprayed["iobb_afp@0.5"] > 10
    assert sprayed["matched_iou"] < 0.1 and honest["iobb_acc@0.1 Mass"] == 1
    assert "iobb_acc@0.1 Nodule" not in honest


@pytest.mark.parametrize(
    ("old", "new", "complaint", "left"),
    [
        ("Mass,600", "Lump,600", r"line 4: 'Finding Label' is none of the allowed values", 2),
        ("600,200,120", "600,nan,120", r"line 4: 'y' is nan", 2),
        ("600,200,120", "1000,200,120", r"line 4: the box .* is off the image", 2),
        ("130,,,", "130,,9,", r"line 4: 9 cells; expected 6", 0),
        ("00000002_001.png,Mass,600,200,120,130", "00000001_000.png,Atelectasis,225.08,547.02,86.78,79.19",
         r"line 4: the same box of one finding as on .*line 2", 1),
    ],
)  # fmt: skip
def test_wrong_rows(tmp_path: Path, old: str, new: str, complaint: str, left: int) -> None:
    made("chestx-ray8", tmp_path)
    edit(tmp_path / LIST, old, new)
    refused("chestx-ray8", tmp_path, complaint, left)


def test_resized_pictures_are_refused(tmp_path: Path) -> None:
    made("chestx-ray8", tmp_path)
    save_picture(tmp_path / "chestx-ray8/images/00000001_000.png", 1, 512, 512)
    refused("chestx-ray8", tmp_path, "512 x 512 pixels; expected the original of 1024 x 1024", 2)
    assert "1 faulty records left out" in load("chestx-ray8", tmp_path, partial=True).notes[0]
