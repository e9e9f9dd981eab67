"""MIRP, "Your other left!": relations on CT slices, yes is 1 and no 0 (MICCAI 2025, arXiv 2508.00549).

Reads the released folders RQ1, RQ2, RQ3 and AS. What is asked is what the picture shows; in RQ3 pictures are
turned or mirrored, so that anatomy misleads. The official prompt holds an example, the question of another
picture with its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from foveate import prompts
from foveate.evals.contract.answers import Prediction, Reading
from foveate.evals.contract.questions import Items, Question, Target, hashed
from foveate.evals.contract.tasks import LoadOptions, Metric, Scored, TaskInfo
from foveate.evals.scoring.reading import read_words
from foveate.evals.tasks.base import ACCURACY, LoadedTask, chosen
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import image_file
from foveate.evals.tasks.reading import read_json_records
from foveate.evals.tasks.records import Record

NAME = "mirp"
PARTS, MARKERS = ("RQ1", "RQ2", "RQ3", "AS"), ("dots", "letters", "numbers")
SAID = {"1": "yes", "0": "no"}

INFO = TaskInfo(
    name=NAME,
    title="MIRP: relations as the picture shows them, against what anatomy suggests",
    licence="as in the data set's LICENSE",
    licence_url="https://github.com/Wolfda95/MIRP_Benchmark",
    obtain="huggingface.co/datasets/DanielSantakWolf/MIRP_Your_Other_Left: the folders RQ1, RQ2, RQ3 and AS.",
    expects=("RQ1 | RQ2 | RQ3 | AS",),
    kinds=("yes_no",),
    options={
        "part": "RQ1 (default), RQ2, RQ3 or AS",
        "marker": "dots (default), letters or numbers; not for RQ1",
    },
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question a picture and pair of objects. Raises DataFault."""
    part, marker = chosen(options, "part", PARTS), chosen(options, "marker", MARKERS)
    path = folder / part / ("qa.json" if part == "RQ1" else f"qa_{marker}.json")
    pictures = path.parent / ("images" if part == "RQ1" else f"image_{marker}")
    intake, asked = Intake(options), list[tuple[str, Record]]()
    for record in read_json_records(path):
        with intake.record():
            asked += [(record.text("filename"), pair) for pair in _pairs(record)]
    rng = np.random.default_rng(options.seed)
    for name, pair in asked:
        others = [other for named, other in asked if named != name]
        with intake.record():
            example = others[int(rng.integers(len(others)))] if others else None
            _add(intake, pictures / name, name, pair, example, part if part == "RQ1" else f"{part} {marker}")
    return intake.items(path)


def _pairs(record: Record) -> list[Record]:
    pairs = []
    for values in record.items("question_answer"):
        if not isinstance(values, dict):
            raise record.place.fault("a question is no object", "an object with question and answer")
        pair = Record(record.place, values)
        pair.text("question")
        pair.choice("answer", ("1", "0"))
        pairs.append(pair)
    return pairs


def _add(intake: Intake, path: Path, name: str, pair: Record, example: Record | None, part: str) -> None:
    shown = ""
    if example is not None:
        shown = prompts.fill(
            "evals/mirp/example.txt", question=example.text("question"), answer=example.text("answer")
        )
    question = Question(
        id=f"{NAME}-{part.replace(' ', '-')}-{Path(name).stem}-{hashed(NAME, pair.text('question'))[:6]}",
        images=(image_file(pair.place, path),),
        prompt=prompts.fill("evals/mirp/question.txt", example=shown, question=pair.text("question")),
        kind="yes_no",
        cluster=hashed(NAME, name.split("_slice")[0]),
        filters={"part": part, "relation": _relation(pair.text("question"))},
    )
    intake.add(pair.place, question, Target(answer=SAID[pair.text("answer")]))


def _relation(question: str) -> str:
    return next((word for word in ("above", "below", "left", "right") if word in question.lower()), "other")


def read(question: Question, prediction: Prediction) -> Reading:
    """One character, 1 or 0, and nothing else."""
    reading = read_words(prediction)
    if reading.outcome != "read" or reading.value is None:
        return reading
    said = SAID.get(reading.value.strip().removesuffix("."))
    if said is None:
        return Reading("unreadable", detail={"fault": "unparseable", "why": "neither 1 nor 0"})
    return Reading("read", said, confidence=prediction.confidence)


def f1(samples: Sequence[Scored]) -> float:
    """F1 of yes; what was not read is a no that is wrong."""
    hits = sum(s.target.answer == "yes" and s.reading.value == "yes" for s in samples)
    said = sum(s.reading.outcome == "read" and s.reading.value == "yes" for s in samples)
    wanted = sum(s.target.answer == "yes" for s in samples)
    return 2 * hits / (said + wanted) if said + wanted else float("nan")


METRICS = (ACCURACY, Metric("f1_yes", f1, official=True, meaning="F1 of the answer yes"))
TASKS = (LoadedTask(INFO, METRICS, load, reader=read),)
