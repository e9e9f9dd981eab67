"""RSNA Pneumonia Detection Challenge, 2018: lung opacities on chest X-rays, with images that have none.

Reads stage 2's training labels (those of the test set are not public). Rows of one patient make one question.
The original task is detection, so the wording of the question is Foveate's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from foveate import prompts
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Items, Question, Region, Target, hashed
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, TaskInfo
from foveate.evals.metrics.rsna import rsna_image_score
from foveate.evals.scoring import kinds
from foveate.evals.tasks.base import ABSENCE_METRICS, BOX_METRICS, LoadedTask
from foveate.evals.tasks.detection import boxes, score_of
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import file_size, image_file
from foveate.evals.tasks.reading import read_table
from foveate.evals.tasks.records import Record, xywh

NAME = "rsna"
LABELS, CLASSES, IMAGES = (
    "stage_2_train_labels.csv",
    "stage_2_detailed_class_info.csv",
    "stage_2_train_images",
)
BOX = ("x", "y", "width", "height")

INFO = TaskInfo(
    name=NAME,
    title="RSNA Pneumonia Detection Challenge: lung opacities, or none",
    licence="the competition's rules; images from NIH ChestX-ray14",
    licence_url="https://www.kaggle.com/competitions/rsna-pneumonia-detection-challenge/rules",
    obtain="stage 2 from kaggle.com/competitions/rsna-pneumonia-detection-challenge (rules to be accepted).",
    expects=(LABELS, IMAGES),
    kinds=("boxes",),
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question a patient; a patient without opacity has an empty target. Raises DataFault."""
    intake, groups = Intake(options), dict[str, list[Record]]()
    for record in read_table(folder / LABELS, ("patientId", *BOX, "Target")):
        with intake.record(str(record.values["patientId"])):
            groups.setdefault(record.text("patientId"), []).append(record)
    classes = _classes(folder / CLASSES)
    for patient, rows in groups.items():
        with intake.record(patient):
            if patient not in intake.spoiled:
                _add(intake, folder, patient, rows, classes.get(patient, ""))
    return intake.items(folder / LABELS)


def _classes(path: Path) -> dict[str, str]:
    """Patient → class, for the breakdown; nothing where that file is not there."""
    if not path.exists():
        return {}
    return {r.text("patientId"): r.text("class") for r in read_table(path, ("patientId", "class"))}


def _add(intake: Intake, folder: Path, patient: str, rows: list[Record], named: str) -> None:
    place = rows[0].place
    image = image_file(place, folder / IMAGES / f"{patient}.dcm")
    size = file_size(place, image.path)
    regions = [region for row in rows if (region := _region(row, size)) is not None]
    if regions and len(regions) != len(rows):
        raise place.fault("a patient has rows with and without a box", "one or the other")
    for row, region in zip(rows, regions, strict=False):
        intake.once(row.place, f"{patient} {region.box}", "box of one patient")
    if not regions and len(rows) > 1:
        raise rows[1].place.fault("the same patient as in the row before, without a box", "one such row")
    question = Question(
        id=f"{NAME}-{hashed(NAME, patient)}",
        images=(image,),
        prompt=prompts.text("evals/rsna/question.txt"),
        kind="boxes",
        cluster=hashed(NAME, patient),
        filters={"opacity": "yes" if regions else "no", **({"class": named} if named else {})},
        phrase="lung opacity",
    )
    intake.add(place, question, Target(regions=tuple(regions)))


def _region(row: Record, size: tuple[int, int]) -> Region | None:
    if row.integer("Target") not in (0, 1):
        raise row.place.fault(f"'Target' is {row.integer('Target')}", "0 or 1")
    if row.integer("Target") == 0:
        if any(row.has(name) for name in BOX):
            raise row.place.fault("a box with 'Target' 0", "empty cells")
        return None
    return Region(xywh(row.place, [row.number(name) for name in BOX], size), label="lung opacity")


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """The values of boxes, and `rsna_score` unless there is nothing to find and nothing was predicted."""
    given = reading.regions if reading.outcome == "read" else ()
    value = rsna_image_score(boxes(given), [score_of(region) for region in given], boxes(target.regions))
    scored = dict(kinds.score(question, reading, target))
    return scored if value is None else {**scored, "rsna_score": value}


METRICS = (
    Metric("rsna_score", official=True, meaning="mean over IoU 0.4 to 0.75 of TP / (TP + FP + FN)"),
    *ABSENCE_METRICS,
    *BOX_METRICS,
)
TASKS = (LoadedTask(INFO, METRICS, load, scorer=score),)
