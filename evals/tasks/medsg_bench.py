"""MedSG-Bench: grounding over sequences of two to six images, eight tasks.

Reads the release with pictures in zip files (MedSG-Bench: `Task1.json` to `Task8.json`, unpacked beside them)
or the one with pictures in Parquet cells (MedSG-Bench-parquet); a question has the same id in both. The truth
is one box without the image that it lies on, so an answer's box counts on whichever image it was given, as in
the benchmark's own scoring. Boxes inside a question (pixels of the first image) become marked regions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from foveate.evals.contract.answers import Reading
from foveate.evals.contract.images import FileImage, ImageSource
from foveate.evals.contract.questions import Items, Question, Region, Target, hashed
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, Published, Scored, TaskInfo
from foveate.evals.scoring import kinds
from foveate.evals.tasks.base import LoadedTask
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.parquet import Row, cell_image, read_parquet
from foveate.evals.tasks.pictures import bytes_size, found_file, same_size
from foveate.evals.tasks.reading import read_json_records
from foveate.evals.tasks.records import Place, Record, xyxy

NAME = "medsg-bench"
SUBTASKS = (
    "Registered_Diff",
    "Non_Registered_Diff",
    "multi_view",
    "object_tracking",
    "concept",
    "patch",
    "crossmodal",
    "referring",
)
SIZE = (336, 336)
BENCH = "MedSG-Bench"
LISTS = ("Task*.json", f"{BENCH}/Task*.json")
PARQUETS = ("*.parquet", "data/*.parquet", "*/*.parquet")
COLUMNS = ("split", "task", "question", "answer_xyxy", "num_images")
CELL = re.compile(r"image_bytes_\d+")
_BOX = re.compile(r"<\|box_start\|>\((\d+),\s*(\d+)\),\((\d+),\s*(\d+)\)<\|box_end\|>")
_REF = re.compile(r"<\|object_ref_(?:start|end)\|>")
_TABLE = "MedSG-Bench, average over tasks (third-party table)"
_SCORES = {
    "GPT-4o": (0.1770, 0.1060), "Claude Sonnet 4": (0.1251, 0.0576), "Gemini 2.5 Pro": (0.2066, 0.1561),
    "Qwen2.5-VL-7B": (0.1231, 0.0490), "Qwen2.5-VL-32B": (0.1247, 0.0571), "Qwen2.5-VL-72B": (0.1335, 0.0612),
    "InternVL3-78B": (0.0644, 0.0277), "Migician-7B": (0.2029, 0.1139), "MedGemma-4B": (0.1055, 0.0482),
    "MedSeq-Grounder-7B": (0.7255, 0.7971),
}  # fmt: skip

INFO = TaskInfo(
    name=NAME,
    title="MedSG-Bench: grounding over image sequences, eight tasks",
    licence="CC-BY-4.0 (the sources' licences differ)",
    licence_url="https://huggingface.co/datasets/MedSG-Bench/MedSG-Bench",
    obtain="huggingface.co/datasets/MedSG-Bench/MedSG-Bench: its folder MedSG-Bench, the zip files unpacked; "
    "or huggingface.co/datasets/MedSG-Bench/MedSG-Bench-parquet as it is.",
    expects=(" | ".join((*LISTS, *PARQUETS)),),
    kinds=("boxes",),
    accept=False,
    published=tuple(
        Published(model, metric, value, _TABLE)
        for model, values in _SCORES.items()
        for metric, value in zip(("AVE_IOU", "IOU@0.5"), values, strict=True)
    ),
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question an item of all JSON lists or, without any, of all Parquet files. Raises DataFault."""
    intake = Intake(options)
    lists = _found(folder, LISTS)
    for path in lists:
        for record in read_json_records(path):
            with intake.record():
                _add(intake, record, *_listed(folder, record))
    if not lists:
        _load_parquet(intake, _found(folder, PARQUETS))
    return intake.items(folder)


def _found(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """What the first pattern that fits anything finds, in order of names."""
    return next((found for pattern in patterns if (found := sorted(folder.glob(pattern)))), [])


def _load_parquet(intake: Intake, paths: Sequence[Path]) -> None:
    training = 0
    for row in read_parquet(paths, COLUMNS):
        with intake.record():
            if "train" in row.text("split").lower():
                training += 1
            else:
                record, names, images = _unpacked(row)
                _add(intake, record, names, images)
    if training:
        intake.notes.append(f"{training} rows of the training split left out.")


def _listed(folder: Path, record: Record) -> tuple[list[str], list[ImageSource]]:
    """The names of an item's pictures, and the pictures, of the size that it tells."""
    names, images = [str(name) for name in record.items("images")], list[ImageSource]()
    for name in names:
        image = FileImage(_picture(folder, record.place, name))
        same_size(record.place, image.path, _size(record))
        images.append(image)
    return names, images


def _picture(folder: Path, place: Place, name: str) -> Path:
    """Lists name pictures from the repository's root; zip files are unpacked there or where they lie."""
    parts = Path(name).parts
    if not parts or ".." in parts or Path(name).is_absolute():
        raise place.fault("an image's name is no path within the data", "Task1/….png or a longer path")
    ways = [folder.joinpath(*parts[k:]) for k in range(max(1, len(parts) - 1))]
    return found_file(place, *ways, folder.joinpath(BENCH, *parts[-2:]))


def _unpacked(row: Row) -> tuple[Record, list[str], list[ImageSource]]:
    """A row as an item of a list, with the names and the pictures of its cells."""
    raw = _json(row, "raw_json") if row.has("raw_json") else {}
    size = raw.get("size") if isinstance(raw, dict) else None
    told = row.values.get("answer_xyxy")
    answer = _json(row, "answer_xyxy") if isinstance(told, str) else told
    record = Record(row.place, {**row.values, "answer": answer, "size": size})
    numbers = sorted(int(name.rpartition("_")[2]) for name in row.values if CELL.fullmatch(name))
    held = [k for k in numbers if row.values[f"image_bytes_{k}"] is not None]
    if len(held) != row.integer("num_images"):
        raise row.place.fault(f"{len(held)} pictures", f"{row.integer('num_images')}, as num_images says")
    for k in held:
        if bytes_size(row.place, row.picture(f"image_bytes_{k}")) != _size(record):
            raise row.place.fault("a picture has another size", "336 x 336, or the item's own size")
    names = [str(row.values.get(f"image_path_{k}")) for k in held]
    return record, names, [cell_image(row, f"image_bytes_{k}") for k in held]


def _json(row: Row, name: str) -> Any:
    try:
        return json.loads(row.text(name))
    except ValueError:
        raise row.place.fault(f"{name!r} is no JSON", "JSON text") from None


def _add(intake: Intake, record: Record, names: Sequence[str], images: Sequence[ImageSource]) -> None:
    subtask, place, size = record.choice("task", SUBTASKS), record.place, _size(record)
    if not 2 <= len(images) <= 6:
        raise place.fault(f"{len(images)} images", "two to six")
    prompt, marked = _question(record, size)
    box = xyxy(place, record.numbers("answer", 4), size)
    listed = "\n".join(names)
    question = Question(
        id=f"{NAME}-{subtask}-{hashed(NAME, f'{listed}{prompt}{box}')}",
        images=tuple(images),
        prompt=prompt,
        kind="boxes",
        cluster=hashed(NAME, names[0]),
        marked=marked,
        filters={"task": subtask, "images": str(len(images))},
    )
    intake.add(place, question, Target(regions=(Region(box),)))


def _size(record: Record) -> tuple[int, int]:
    if record.values.get("size") is None:
        return SIZE
    width, height = record.numbers("size", 2)
    return int(width), int(height)


def _question(record: Record, size: tuple[int, int]) -> tuple[str, tuple[Region, ...]]:
    """The question with each box replaced by its name as marked evidence (E1, E2, …), and those regions."""
    text, marked = record.text("question"), []
    for found in _BOX.finditer(text):
        marked.append(Region(xyxy(record.place, [float(v) for v in found.groups()], size)))
    for number in range(1, len(marked) + 1):
        text = _BOX.sub(f"(E{number})", text, count=1)
    if "<|box" in text:
        raise record.place.fault(
            "a box in the question is not written as expected", "(x1,y1),(x2,y2) in its tags"
        )
    return _REF.sub("", text).strip(), tuple(marked)


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """The values of boxes with every box on one image, and accuracy at 0.7."""
    regions = tuple(replace(r, image=0, slice_index=0, plane=None) for r in reading.regions)
    values = dict(kinds.score(question, replace(reading, regions=regions), target))
    task_iou = {f"AVE_IOU {question.filters['task']}": values["miou_box"]}
    return {**values, **task_iou, "acc@0.7": float(values["miou_box"] >= 0.7)}


def average(value: str) -> Metric:
    """The mean over the tasks of the mean of a value over a task's samples: the benchmark's headline."""

    def over(samples: Sequence[Scored]) -> float:
        by_task: dict[str, list[float]] = {}
        for sample in samples:
            by_task.setdefault(sample.filters["task"], []).append(sample.values[value])
        means = [sum(values) / len(values) for values in by_task.values()]
        return sum(means) / len(means) if means else float("nan")

    name = "AVE_IOU" if value == "miou_box" else value.replace("acc", "IOU")
    return Metric(name, over, official=True, meaning="mean over tasks")


METRICS = (
    *(average(value) for value in ("miou_box", "acc@0.7", "acc@0.5", "acc@0.3")),
    *(Metric(f"AVE_IOU {subtask}", official=True) for subtask in SUBTASKS),
)
TASKS = (LoadedTask(INFO, METRICS, load, scorer=score),)
