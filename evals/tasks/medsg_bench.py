"""MedSG-Bench: grounding over sequences of two to six images, eight tasks.

Reads the released JSON lists. The truth is one box without the image that it lies on, so an answer's box
counts on whichever image it was given, as in the benchmark's own scoring. Boxes inside a question (pixels of
the first image) become marked regions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Items, Question, Region, Target, hashed
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, Published, Scored, TaskInfo
from foveate.evals.scoring import kinds
from foveate.evals.tasks.base import LoadedTask
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import image_file, same_size
from foveate.evals.tasks.reading import read_json_records
from foveate.evals.tasks.records import Record, xyxy

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
    obtain="huggingface.co/datasets/MedSG-Bench/MedSG-Bench: the JSON lists and the folders Task1 to Task8.",
    expects=("*.json",),
    kinds=("boxes",),
    accept=False,
    published=tuple(
        Published(model, metric, value, _TABLE)
        for model, values in _SCORES.items()
        for metric, value in zip(("AVE_IOU", "IOU@0.5"), values, strict=True)
    ),
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question an item of all JSON lists in the folder. Raises DataFault."""
    intake = Intake(options)
    for path in sorted(folder.glob("*.json")):
        for record in read_json_records(path):
            with intake.record():
                _add(intake, folder, record)
    return intake.items(folder)


def _add(intake: Intake, folder: Path, record: Record) -> None:
    subtask, place = record.choice("task", SUBTASKS), record.place
    size = _size(record)
    images = tuple(image_file(place, folder / str(name)) for name in record.items("images"))
    if not 2 <= len(images) <= 6:
        raise place.fault(f"{len(images)} images", "two to six")
    for image in images:
        same_size(place, image.path, size)
    prompt, marked = _question(record, size)
    box = xyxy(place, record.numbers("answer", 4), size)
    names = "\n".join(str(name) for name in record.items("images"))
    question = Question(
        id=f"{NAME}-{subtask}-{hashed(NAME, f'{names}{prompt}{box}')}",
        images=images,
        prompt=prompt,
        kind="boxes",
        cluster=hashed(NAME, str(record.items("images")[0])),
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
