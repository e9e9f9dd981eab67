"""MS-CXR: sentences of chest X-ray reports and their boxes (Boecking et al., ECCV 2022, arXiv 2204.09817).

Reads the released CSV or JSON of versions 0.1, 1.0.0 and 1.1.0. A row is one box: rows of one image and one
sentence make one question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from foveate import prompts
from foveate.evals.contract.questions import Items, Question, Region, Target, hashed
from foveate.evals.contract.tasks import LoadOptions, Published, TaskInfo
from foveate.evals.scoring import heat
from foveate.evals.tasks.base import BOX_METRICS, LoadedTask, chosen
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import image_file, same_size
from foveate.evals.tasks.reading import existing, read_json_records, read_table
from foveate.evals.tasks.records import Record, xywh

NAME = "ms-cxr"
STEM = "MS_CXR_Local_Alignment_v"
FILES = tuple(
    f"{STEM}{version}.{ending}" for version in ("1.1.0", "1.0.0", "0.1") for ending in ("csv", "json")
)
COLUMNS = (
    "category_name", "label_text", "path", "x", "y", "w", "h", "image_width", "image_height",
)  # fmt: skip
CATEGORIES = (
    "Cardiomegaly", "Lung Opacity", "Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax",
    "Pleural Effusion",
)  # fmt: skip
SPLITS = ("all", "test", "val", "train")
_LOC = "PMLR 315:2864 (MIDL 2026), prompts normalised, macro over findings"

INFO = TaskInfo(
    name=NAME,
    title="MS-CXR: phrase grounding on chest X-rays",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    licence_url="https://physionet.org/content/ms-cxr/view-license/1.1.0/",
    obtain="ms-cxr from physionet.org/content/ms-cxr (credentialed), and the images that it names from "
    "MIMIC-CXR-JPG: its folder files/ beside the CSV.",
    expects=(" | ".join(FILES), "files"),
    kinds=("boxes",),
    published=(
        Published("oracle Gaussian", "miou_heat", 0.676, _LOC, "ceiling of the heat-map metric"),
        Published("MAIRA-2", "miou_heat", 0.435, _LOC, "trained on about half of MS-CXR"),
        Published("LDM, prompt-tuned", "miou_heat", 0.295, _LOC),
        Published("LDM, frozen", "miou_heat", 0.220, _LOC),
        Published("BioViL-T", "miou_heat", 0.214, _LOC),
        Published("BioViL", "miou_heat", 0.202, _LOC),
        Published("Anatomical Grounding Pretraining", "miou_box", 0.612, "arXiv 2502.16585"),
    ),
    options={
        "split": "all (default), test, val or train; only version 1.1.0 tells splits",
        "boxes": "any (default) or single: only sentences with one box, as MedRPG evaluates",
    },
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question a sentence and image. Raises DataFault."""
    path = existing(folder, *FILES)
    records = read_table(path, COLUMNS) if path.suffix == ".csv" else _json_records(path)
    split, single = chosen(options, "split", SPLITS), chosen(options, "boxes", ("any", "single")) == "single"
    intake = Intake(options)
    groups: dict[str, list[Record]] = {}
    for record in records:
        key = hashed(NAME, f"{record.values.get('path')}\n{record.values.get('label_text')}")
        with intake.record(key):
            if split == "all" or record.choice("split", SPLITS[1:]) == split:
                groups.setdefault(key, []).append(record)
    for key, rows in groups.items():
        if key not in intake.spoiled and not (single and len(rows) > 1):
            with intake.record(key):
                _add(intake, folder, key, rows)
    return intake.items(path)


def _add(intake: Intake, folder: Path, key: str, rows: list[Record]) -> None:
    first = rows[0]
    size = first.size("image_width", "image_height")
    image = image_file(first.place, folder / first.text("path"))
    same_size(first.place, image.path, size)
    finding = first.choice("category_name", CATEGORIES)
    regions = tuple(_region(intake, key, row, finding, size) for row in rows)
    question = Question(
        id=f"{NAME}-{key}",
        images=(image,),
        prompt=prompts.fill("evals/ms_cxr/question.txt", phrase=first.text("label_text")),
        kind="boxes",
        cluster=hashed(NAME, _patient(first)),
        filters={"finding": finding, "boxes": str(len(regions))},
        phrase=first.text("label_text"),
    )
    intake.add(first.place, question, Target(regions=regions))


def _region(intake: Intake, key: str, row: Record, finding: str, size: tuple[int, int]) -> Region:
    if row.size("image_width", "image_height") != size:
        raise row.place.fault("another image size than in the sentence's first row", "one size an image")
    box = xywh(row.place, [row.number(name) for name in "xywh"], size)
    intake.once(row.place, f"{key} {box}", "box of one sentence")
    return Region(box, label=finding)


def _patient(record: Record) -> str:
    """MIMIC-CXR's path is files/p10/p1…/s…/….jpg; its third part is the patient."""
    parts = Path(record.text("path")).parts
    if len(parts) < 4 or ".." in parts or Path(record.text("path")).is_absolute():
        raise record.place.fault("the path is not as in MIMIC-CXR-JPG", "files/p1./p…/s…/….jpg")
    return parts[2]


def _json_records(path: Path) -> list[Record]:
    """The JSON's annotations with the columns of the CSV."""
    images = _by_id(path, "images", "path")
    categories = _by_id(path, "categories", "name")
    return [_flat(record, images, categories) for record in read_json_records(path, "annotations")]


def _by_id(path: Path, key: str, needed: str) -> dict[int, Record]:
    found = {}
    for record in read_json_records(path, key):
        record.text(needed)
        found[record.integer("id")] = record
    return found


def _flat(record: Record, images: Mapping[int, Record], categories: Mapping[int, Record]) -> Record:
    image, category = images.get(record.integer("image_id")), categories.get(record.integer("category_id"))
    if image is None or category is None:
        raise record.place.fault("its image or category is not in the file", "ids of images and categories")
    size = image if image.has("width") else record
    box = dict(zip("xywh", record.numbers("bbox", 4), strict=True))
    values: dict[str, Any] = {
        **box, "label_text": record.values.get("label_text"), "path": image.values["path"],
        "category_name": category.values["name"], "split": image.values.get("split"),
        "image_width": size.values.get("width"), "image_height": size.values.get("height"),
    }  # fmt: skip
    return replace(record, values=values)


TASKS = (LoadedTask(INFO, (*BOX_METRICS, *heat.heat_metrics()), load, scorer=heat.score),)
