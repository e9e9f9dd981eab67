"""ReasonKnee-Bench, of 3DReasonKnee: MOAKS grades of knee MRI, answered as JSON (rajpurkarlab/3DReasonKnee).

Reads the released questions ("1" to "69" → prompt) and answers as the authors' scripts do: a JSON list of
{image, prompt, final_diagnosis}. A question's true place is the box of its subregion in the volume's label
map (`knee_places`); the answer's is the smallest box round all that it cites, for one region is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from foveate.evals.contract.answers import Prediction, Reading
from foveate.evals.contract.images import FileImage
from foveate.evals.contract.questions import Items, Question, Target, hashed
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, Published, TaskInfo
from foveate.evals.scoring.reading import read_words
from foveate.evals.tasks.base import LoadedTask, chosen
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.knee_places import Places, place_score, true_regions
from foveate.evals.tasks.pictures import found_file
from foveate.evals.tasks.reading import existing, read_json, read_json_records, read_table, shown
from foveate.evals.tasks.records import Place, Record

NAME = "reasonknee"
SPLIT_COLUMNS = ("patient_id", "time", "knee_side", "image_filepath")
WINDOW = (200.0, 400.0)
"""The authors' baseline clips at 0 and 400."""

INFO = TaskInfo(
    name=NAME,
    title="ReasonKnee-Bench: MOAKS grades of knee MRI",
    licence="as on the data set's page (gated; OAI's terms)",
    licence_url="https://huggingface.co/datasets/rajpurkarlab/3DReasonKnee",
    obtain="huggingface.co/datasets/rajpurkarlab/3DReasonKnee: split_files/, question_files/, the "
    "volumes, the label maps that test_split.csv names, and the answers as answers.json (a list of image, "
    "prompt, final_diagnosis).",
    expects=("question_files", "split_files/test_split.csv", "answers.json"),
    kinds=("text",),
    published=(
        Published("Qwen2.5-VL-3B", "overall", 0.158, "arxivlens summary, zero-shot", "mixes IoU and grades"),
    ),
    options={"prompt": "zeroshot (default) or guided, which describes what to look for"},
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question an answered prompt of the test split. Raises DataFault."""
    style = chosen(options, "prompt", ("zeroshot", "guided"))
    prompts = _prompts(existing(folder, f"question_files/questions_nobbox_{style}.json"))
    plain = _prompts(existing(folder, "question_files/questions_nobbox_zeroshot.json"))
    number_of = {text.strip(): number for number, text in plain.items()}
    rows = {
        row.text("image_filepath"): row
        for row in read_table(folder / "split_files" / "test_split.csv", SPLIT_COLUMNS)
    }
    intake = Intake(options)
    places = Places.of(folder, intake.notes)
    for record in read_json_records(folder / "answers.json"):
        with intake.record():
            _add(intake, folder, record, prompts, number_of, rows, places)
    return intake.items(folder / "answers.json")


def _prompts(path: Path) -> dict[str, str]:
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(text, str) for text in content.values()):
        raise Place(shown(path)).fault("it is no object of texts", 'an object "1" to "69" of prompts')
    return content


def _add(
    intake: Intake,
    folder: Path,
    record: Record,
    prompts: Mapping[str, str],
    number_of: Mapping[str, str],
    rows: Mapping[str, Record],
    places: Places,
) -> None:
    image, place = record.text("image"), record.place
    if image not in rows:
        raise place.fault("its image is not in the test split", "an image_filepath of test_split.csv")
    number = number_of.get(record.text("prompt"))
    if number is None or number not in prompts:
        raise place.fault("its prompt is none of the questions", "a prompt of question_files")
    row, path = rows[image], found_file(place, folder / image)
    question = Question(
        id=f"{NAME}-{hashed(NAME, image)}-{number}",
        images=(FileImage(path, window=WINDOW),),
        prompt=prompts[number],
        kind="text",
        cluster=hashed(NAME, row.text("patient_id")),
        filters={"question": number, "side": row.text("knee_side")},
    )
    told = record.values.get("final_diagnosis")
    content = told if isinstance(told, str) else json.dumps(told)
    detail = {"grades": _grades(place, content), **places.detail(row, folder, path, number)}
    intake.add(place, question, Target(answer=content, regions=true_regions(detail), detail=detail))


def _grades(place: Place, told: str) -> dict[str, int]:
    try:
        found = leaves(json.loads(told))
    except ValueError:
        found = {}
    if not found:
        raise place.fault("'final_diagnosis' holds no grades", "a JSON object whose leaves are whole numbers")
    return found


def leaves(value: Any, path: str = "") -> dict[str, int]:
    """The whole numbers of nested objects by their path. ValueError for anything else inside."""
    if isinstance(value, dict):
        parts = [leaves(inner, f"{path}/{name.strip().lower()}") for name, inner in value.items()]
        return {name: number for part in parts for name, number in part.items()}
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a leaf is no whole number")
    return {path: value}


def read(question: Question, prediction: Prediction) -> Reading:
    """The reply as one strict JSON object of grades, and nothing around it."""
    reading = read_words(prediction)
    if reading.outcome != "read" or reading.value is None:
        return reading
    try:
        grades = leaves(json.loads(reading.value))
    except ValueError:
        return Reading("unreadable", detail={"fault": "unparseable", "why": "no JSON object of grades"})
    return replace(reading, detail={"grades": grades})


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """Share of the grades that are right, whether all are (and none besides), and 3-D IoU of the place."""
    wanted: Mapping[str, int] = target.detail["grades"]
    given: Mapping[str, int] = reading.detail.get("grades", {}) if reading.outcome == "read" else {}
    right = sum(given.get(name) == grade for name, grade in wanted.items())
    return {
        "grade_accuracy": right / len(wanted),
        "all_grades": float(dict(given) == dict(wanted)),
        **place_score(reading, target),
    }


METRICS = (
    Metric("grade_accuracy", official=True, meaning="share of a question's grades that are right"),
    Metric("all_grades", meaning="all grades of the question right, and none besides"),
    Metric("iou_3d", official=True, meaning="3-D IoU of the box round all cited boxes with the subregion's"),
    Metric("iou_3d@0.5", meaning="share with 3-D IoU of 0.5 or more"),
)
TASKS = (LoadedTask(INFO, METRICS, load, read, score),)
