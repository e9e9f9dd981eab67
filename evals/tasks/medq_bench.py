"""MedQ-Bench: the quality of medical images, as choices and as descriptions that a judge model marks.

Reads the released TSV files (as VLMEvalKit does: pictures in base64 in the cells image, image_a and image_b,
or paths in image_path). Marks are those of the four published axes, 0 to 2 each; without a judge they are
left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from string import ascii_uppercase

from foveate import prompts
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.images import ImageSource
from foveate.evals.contract.questions import Items, Question, Target, hashed
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, Published, TaskInfo
from foveate.evals.scoring import kinds
from foveate.evals.tasks.base import ACCURACY, LoadedTask, chosen
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import base64_bytes, bytes_image, image_file
from foveate.evals.tasks.reading import read_table
from foveate.evals.tasks.records import Record, letter

NAME = "medq-bench"
FILES = {
    "choice": "medqbench_QA",
    "description": "medqbench_description",
    "paired": "medqbench_paired_description",
}
AXES = ("completeness", "preciseness", "consistency", "quality_accuracy")
_PAPER = "MedQ-Bench, results table"
_MARK = re.compile(r"\s*(?:score\s*[:：]\s*)?([0-2])(?:\.0)?\s*", re.IGNORECASE)

INFO = TaskInfo(
    name=NAME,
    title="MedQ-Bench: image quality, as choices and as judged descriptions",
    licence="as on the data set's page",
    licence_url="https://huggingface.co/datasets/jiyaoliufd/MedQ-Bench",
    obtain="huggingface.co/datasets/jiyaoliufd/MedQ-Bench: the TSV files (and the images they name).",
    expects=("medqbench_*.tsv",),
    kinds=("choice", "text"),
    published=(
        *(Published(model, "accuracy", value, _PAPER)
          for model, value in (("human", 0.825), ("GPT-5", 0.6897), ("GPT-4o", 0.6479),
                               ("Grok-4", 0.6314), ("Qwen2.5-VL-72B", 0.6314),
                               ("Gemini 2.5 Pro", 0.6188), ("MedGemma-27B", 0.5716))),
        *(Published(model, "judged_sum", value, _PAPER, "one image")
          for model, value in (("GPT-5", 5.679), ("GPT-4o", 5.321), ("Qwen2.5-VL-32B", 5.272))),
        Published("GPT-5", "judged_sum", 6.338, _PAPER, "pairs of images"),
    ),
    options={"part": "choice (default), description or paired; the last two need a judge model",
             "split": "test (default) or dev"},
    needs_judge=("judged_sum", *AXES),
)  # fmt: skip


def load(folder: Path, options: LoadOptions) -> Items:
    """One question a row of the part's file. Raises DataFault."""
    part, split = chosen(options, "part", tuple(FILES)), chosen(options, "split", ("test", "dev"))
    path = folder / f"{FILES[part]}_{split}.tsv"
    columns = ("question", "A", "B", "answer") if part == "choice" else ("description",)
    intake = Intake(options)
    for record in read_table(path, columns, delimiter="\t"):
        with intake.record():
            (_add_choice if part == "choice" else _add_judged)(intake, folder, record, part)
    return intake.items(path)


def _add_choice(intake: Intake, folder: Path, record: Record, part: str) -> None:
    options = tuple(record.text(mark) for mark in "ABCD" if record.has(mark))
    images = _images(folder, record)
    lines = "\n".join(f"{mark}. {text}" for mark, text in zip(ascii_uppercase, options, strict=False))
    name = _name(record)
    question = Question(
        id=f"{NAME}-choice-{name}",
        images=images,
        prompt=prompts.fill("evals/medq_bench/choice.txt", question=record.text("question"), options=lines),
        kind="choice",
        cluster=hashed(NAME, images[0].digest()),
        options=options,
        filters={"part": part, **_filters(record)},
    )
    told = record.text("answer")
    told = ascii_uppercase[int(told)] if told in ("0", "1", "2", "3") else told
    intake.add(record.place, question, Target(answer=letter(record.place, told, options)))


def _add_judged(intake: Intake, folder: Path, record: Record, part: str) -> None:
    images = _images(folder, record)
    if len(images) != (2 if part == "paired" else 1):
        raise record.place.fault(f"{len(images)} images", "two" if part == "paired" else "one")
    question = Question(
        id=f"{NAME}-{part}-{_name(record)}",
        images=images,
        prompt=record.text("question")
        if record.has("question")
        else prompts.text(f"evals/medq_bench/{part}.txt"),
        kind="text",
        cluster=hashed(NAME, images[0].digest()),
        filters={"part": part, **_filters(record)},
    )
    intake.add(record.place, question, Target(answer=record.text("description")))


def _name(record: Record) -> str:
    return record.text("index") if record.has("index") else f"row{record.place.line}"


def _filters(record: Record) -> dict[str, str]:
    return {"modality": record.text("modality")} if record.has("modality") else {}


def _images(folder: Path, record: Record) -> tuple[ImageSource, ...]:
    """The pictures of a row: base64 cells, else paths."""
    cells = [record.text(name) for name in ("image", "image_a", "image_b") if record.has(name)]
    if cells:
        texts = [text for cell in cells for text in _listed(record, cell)]
        return tuple(bytes_image(record.place, base64_bytes(record.place, text)) for text in texts)
    paths = _listed(record, record.text("image_path"))
    return tuple(image_file(record.place, folder / path) for path in paths)


def _listed(record: Record, cell: str) -> list[str]:
    """A cell is one text, or a list of texts as Python or JSON writes it."""
    if not cell.startswith("["):
        return [cell]
    try:
        found = ast.literal_eval(cell)
    except (ValueError, SyntaxError):
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(text, str) for text in found):
        raise record.place.fault("its images are no list of texts", "one image or a list of them")
    return found


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """Accuracy of a choice; the judge's marks of a description, 0 for what was not read."""
    if question.kind == "choice":
        return kinds.score(question, reading, target)
    if judge is None:
        return {}
    part = question.filters["part"]
    marks = {axis: _marked(axis, part, reading, target, judge) for axis in AXES}
    told = {axis: mark for axis, mark in marks.items() if mark is not None}
    if len(told) < len(AXES):  # a judge that gives no mark is counted, never guessed
        return {**told, "judge_failed": 1.0}
    return {**told, "judged_sum": sum(told.values()), "judge_failed": 0.0}


def _marked(axis: str, part: str, reading: Reading, target: Target, judge: Judge) -> float | None:
    if reading.outcome != "read" or not reading.value:
        return 0.0
    table = prompts.table("evals/medq_bench/judge.toml")
    rubric = table[part].get(axis) or table["description"][axis]
    found = _MARK.fullmatch(
        judge(table["frame"].format(rubric=rubric, said=reading.value, gold=target.answer))
    )
    return float(found[1]) if found else None


METRICS = (
    ACCURACY,
    Metric("judged_sum", official=True, meaning="sum of the four axes, 0 to 8, marked by the judge model"),
    *(Metric(axis, official=True, meaning="0 to 2, marked by the judge model") for axis in AXES),
    Metric(
        "judge_failed", better="lower", meaning="descriptions for which the judge gave no mark on some axis"
    ),
)
TASKS = (LoadedTask(INFO, METRICS, load, scorer=score),)
