"""RefPath, the data of PathVG: expressions and boxes on pathology tiles.

Reads the released JSON lines. One question an expression. Words of position refer to the tile.
"""

from __future__ import annotations

from pathlib import Path

from foveate import prompts
from foveate.evals.contract.questions import Items, Question, Region, Target, hashed
from foveate.evals.contract.tasks import LoadOptions, TaskInfo
from foveate.evals.tasks.base import BOX_METRICS, LoadedTask, chosen
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import image_file, same_size
from foveate.evals.tasks.reading import read_json_lines
from foveate.evals.tasks.records import Record, xyxy

NAME = "refpath"
SPLITS = ("testA", "testB", "both", "train")

INFO = TaskInfo(
    name=NAME,
    title="RefPath (PathVG): expressions on pathology tiles",
    licence="CC-BY-NC-SA-4.0",
    licence_url="https://huggingface.co/datasets/fengluo/RefPath",
    obtain="huggingface.co/datasets/fengluo/RefPath: the JSON lines and the folder refpath_image.",
    expects=("testA.jsonl | testB.jsonl | train.jsonl", "refpath_image"),
    kinds=("boxes",),
    options={"split": "testA (default, 1024 px tiles), testB (2048 px), both or train"},
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question an expression. Raises DataFault."""
    split = chosen(options, "split", SPLITS)
    intake = Intake(options)
    for part in ("testA", "testB") if split == "both" else (split,):
        for record in read_json_lines(folder / f"{part}.jsonl"):
            with intake.record():
                _add(intake, folder, record, part)
    return intake.items(folder)


def _add(intake: Intake, folder: Path, record: Record, part: str) -> None:
    place, size = record.place, record.size("width", "height")
    image = image_file(place, folder / record.text("image"))
    same_size(place, image.path, size)
    region = Region(xyxy(place, record.numbers("bbox", 4), size))
    for number, expression in enumerate(record.items("expression")):
        if not isinstance(expression, str) or not expression.strip():
            raise place.fault("an expression is no text", "a list of texts")
        question = Question(
            id=f"{NAME}-{part}-{record.text('bbox_id')}-{number}",
            images=(image,),
            prompt=prompts.fill("evals/refpath/question.txt", expression=expression.strip()),
            kind="boxes",
            cluster=hashed(NAME, record.text("image_id")),
            filters={"split": part},
            phrase=expression.strip(),
        )
        intake.add(place, question, Target(regions=(region,)))


TASKS = (LoadedTask(INFO, BOX_METRICS, load),)
