# ruff: noqa: E501 - rows of a file stay rows here
"""Tiny chest X-ray sets in the benchmarks' own formats: own texts, drawn pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from .files import (
    save_csv,
    save_dicom,
    save_json,
    save_picture,
)

MS_CXR = (
    "dicom_id", "category_name", "label_text", "path", "x", "y", "w", "h", "image_width", "image_height", "split",
)  # fmt: skip


def ms_cxr_path(number: int) -> str:
    return f"files/p1{number}/p1{number}000001/s5000000{number}/d{number}.jpg"


def ms_cxr_rows() -> list[list[object]]:
    def row(number: int, finding: str, text: str, box: Sequence[float], split: str) -> list[object]:
        return [f"d{number}", finding, text, ms_cxr_path(number), *box, 96, 80, split]

    return [
        row(1, "Pneumothorax", "small apical air collection", (10, 12, 30, 20), "train"),
        row(2, "Pleural Effusion", "fluid at both bases", (5, 50, 20, 25), "test"),
        row(2, "Pleural Effusion", "fluid at both bases", (60, 52, 25, 24), "test"),
        row(2, "Cardiomegaly", "the heart is wide", (30, 30, 40, 30), "test"),
    ]


def write_ms_cxr(folder: Path) -> None:
    save_csv(folder / "MS_CXR_Local_Alignment_v1.1.0.csv", MS_CXR, ms_cxr_rows())
    for number in (1, 2):
        save_picture(folder / ms_cxr_path(number), number)


def write_ms_cxr_json(folder: Path) -> None:
    """The COCO-like JSON of the same rows."""
    rows = [dict(zip(MS_CXR, row, strict=True)) for row in ms_cxr_rows()]
    paths = list(dict.fromkeys(str(row["path"]) for row in rows))
    names = list(dict.fromkeys(str(row["category_name"]) for row in rows))
    save_json(folder / "MS_CXR_Local_Alignment_v1.1.0.json", {
        "info": {"description": "made here"},
        "images": [{"id": k, "path": path, "width": 96, "height": 80} for k, path in enumerate(paths)],
        "categories": [{"id": k, "name": name} for k, name in enumerate(names)],
        "annotations": [
            {"id": k, "image_id": paths.index(str(row["path"])), "category_id": names.index(str(row["category_name"])),
             "bbox": [row[n] for n in "xywh"], "label_text": row["label_text"]}
            for k, row in enumerate(rows)
        ],
    })  # fmt: skip
    for number in (1, 2):
        save_picture(folder / ms_cxr_path(number), number)


def write_vindr(folder: Path) -> None:
    header = ("image_id", "rad_id", "class_name", "x_min", "y_min", "x_max", "y_max")
    save_csv(folder / "annotations" / "annotations_train.csv", header, [
        ("aaa", "R1", "Cardiomegaly", 20, 30, 60, 60), ("aaa", "R2", "Cardiomegaly", 22, 32, 62, 62),
        ("aaa", "R2", "Pneumothorax", 5, 5, 25, 20), ("bbb", "R3", "No finding", "", "", "", ""),
    ])  # fmt: skip
    save_csv(folder / "annotations" / "annotations_test.csv", [h for h in header if h != "rad_id"], [
        ("ccc", "Nodule/Mass", 40, 40, 50, 48), ("ccc", "Edema", 10, 10, 80, 70),
        ("ddd", "Nodule/Mass", 30, 20, 50, 38),
    ])  # fmt: skip
    for split, name in (("train", "aaa"), ("train", "bbb"), ("test", "ccc"), ("test", "ddd")):
        save_dicom(folder / split / f"{name}.dicom", len(name))


def write_chestx(folder: Path) -> None:
    lines = ["Image Index,Finding Label,Bbox [x,y,w,h],,,"]
    lines += [
        "00000001_000.png,Atelectasis,225.08,547.02,86.78,79.19",
        "00000002_001.png,Infiltrate,100,200.5,300,250",
        "00000002_001.png,Mass,600,200,120,130,,,",
    ]
    (folder).mkdir(parents=True, exist_ok=True)
    (folder / "BBox_List_2017.csv").write_text("\n".join(lines) + "\n")
    for number, name in enumerate(("images/00000001_000.png", "images_002/images/00000002_001.png")):
        save_picture(folder / name, number, 1024, 1024)


def write_rsna(folder: Path) -> None:
    save_csv(folder / "stage_2_train_labels.csv", ("patientId", "x", "y", "width", "height", "Target"), [
        ("p-one", 10, 20, 30, 40, 1), ("p-one", 60, 22, 20, 30, 1), ("p-two", "", "", "", "", 0),
    ])  # fmt: skip
    save_csv(folder / "stage_2_detailed_class_info.csv", ("patientId", "class"), [
        ("p-one", "Lung Opacity"), ("p-one", "Lung Opacity"), ("p-two", "No Lung Opacity / Not Normal"),
    ])  # fmt: skip
    for number, name in enumerate(("p-one", "p-two")):
        save_dicom(folder / "stage_2_train_images" / f"{name}.dcm", number)


def write_padchest(folder: Path) -> None:
    save_json(folder / "grounded_reports_20240819.json", [
        {"StudyID": "s1", "ImageID": "one.png", "findings": [
            {"sentence_en": "Calcified granuloma.", "sentence_es": "Granuloma.", "abnormal": True,
             "boxes": [[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.75, 0.9]], "extra_boxes": [], "labels": ["granuloma"],
             "locations": ["right upper lobe"], "progression": None},
            {"sentence_en": "No effusion.", "sentence_es": "Sin derrame.", "abnormal": False},
        ]},
        {"StudyID": "s2", "ImageID": "two.png", "findings": [
            {"sentence_en": "Wide heart.", "abnormal": True, "boxes": [[0.2, 0.3, 0.8, 0.9]], "labels": ["heart"]}]},
    ])  # fmt: skip
    save_csv(folder / "master_table.csv", ("StudyID", "ImageID", "PatientID", "split", "label_group"), [
        ("s1", "one.png", "q1", "test", "a"), ("s1", "one.png", "q1", "test", "b"),
        ("s2", "two.png", "q2", "train", "a"),
    ])  # fmt: skip
    for number, name in enumerate(("one.png", "PadChest_GR/two.png")):
        save_picture(folder / "Padchest_GR_files" / name, number)


def write_mrg(folder: Path) -> None:
    save_picture(folder / "images" / "one.jpg", 1, 128, 64)
    save_picture(folder / "images" / "two.jpg", 2, 64, 128)
    torch.save({
        "image_paths": ["one.jpg", "two.jpg"], "bboxes": [[64, 64, 320, 128], [100, 10, 50, 60]],
        "all_reports": ["A dense patch on the left. Clear otherwise.", "Air at the apex."],
        "phrases": ["dense patch", "air at the apex"],
    }, folder / "MRG_MS_CXR_test.pth")  # fmt: skip
