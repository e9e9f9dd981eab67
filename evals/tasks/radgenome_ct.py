"""RadGenome-Chest CT's questions on CT-RATE volumes.

Reads the released CSV files *_vqa_presence, *_vqa_abnormality, *_vqa_location and *_vqa_size. Region masks
are not used: their file names are not documented. The words of the questions follow the released templates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from foveate import prompts
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.images import FileImage
from foveate.evals.contract.questions import AnswerKind, Items, Question, Target, hashed
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, TaskInfo
from foveate.evals.scoring import kinds
from foveate.evals.tasks.base import ACCURACY, LoadedTask, chosen
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import found_file
from foveate.evals.tasks.reading import read_table
from foveate.evals.tasks.records import Record

NAME = "radgenome-ct-vqa"
COLUMNS = {
    "presence": ("Volumename", "Anatomy", "Finding", "Presence"),
    "abnormality": ("Volumename", "Anatomy", "Abnormality"),
    "location": ("Volumename", "Anatomy", "Abnormality"),
    "size": ("Volumename", "Anatomy", "Abnormality", "Size"),
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(mm|cm)\b", re.IGNORECASE)
WINDOW = (-600.0, 1500.0)

INFO = TaskInfo(
    name=NAME,
    title="RadGenome-Chest CT: presence, abnormality, location and size",
    licence="as on the data set's page (CT-RATE's terms)",
    licence_url="https://huggingface.co/datasets/RadGenome/RadGenome-ChestCT",
    obtain="huggingface.co/datasets/RadGenome/RadGenome-ChestCT: the CSV files in radgenome_files/ and the "
    "volumes in valid_preprocessed/ or train_preprocessed/.",
    expects=("radgenome_files/*_vqa_*.csv", "valid_preprocessed | train_preprocessed"),
    kinds=("yes_no", "text"),
    options={
        "part": "presence (default), abnormality, location or size",
        "split": "validation (default) or train",
    },
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question a row of the part's file. Raises DataFault."""
    part = chosen(options, "part", tuple(COLUMNS))
    split = chosen(options, "split", ("validation", "train"))
    path = folder / "radgenome_files" / f"{split}_vqa_{part}.csv"
    intake = Intake(options)
    for record in read_table(path, COLUMNS[part]):
        with intake.record():
            _add(intake, folder, record, part, split)
    return intake.items(path)


def _add(intake: Intake, folder: Path, record: Record, part: str, split: str) -> None:
    volume = record.text("Volumename")
    region = record.text("Anatomy").split("/")[-1]
    named = record.text("Finding" if part == "presence" else "Abnormality")
    template = prompts.table("evals/radgenome_ct/questions.toml")[part]
    kind: AnswerKind = "yes_no" if part == "presence" else "text"
    image = found_file(record.place, *volume_paths(folder, volume, split))
    question = Question(
        id=f"{NAME}-{part}-{record.place.line}",
        images=(FileImage(image, window=WINDOW),),
        prompt=template.format(region=region, abnormality=named),
        kind=kind,
        cluster=hashed(NAME, "_".join(volume.split("_")[:2])),
        filters={"part": part, "anatomy": record.text("Anatomy").split("/")[0]},
    )
    intake.add(record.place, question, Target(answer=_answer(record, part, region, named)))


def volume_paths(folder: Path, name: str, split: str) -> tuple[Path, Path]:
    """valid_preprocessed/valid_1/valid_1_a/valid_1_a_1.nii.gz, or the file directly in that folder."""
    root = folder / ("valid_preprocessed" if split == "validation" else "train_preprocessed")
    stem = name.removesuffix(".nii.gz")
    parts = stem.split("_")
    return root / "_".join(parts[:2]) / "_".join(parts[:3]) / f"{stem}.nii.gz", root / f"{stem}.nii.gz"


def _answer(record: Record, part: str, region: str, named: str) -> str:
    if part == "presence":
        said = record.text("Presence").rstrip(".").lower()
        if said not in ("yes", "no"):
            raise record.place.fault("'Presence' is neither yes nor no", "Yes. or No.")
        return said
    if part == "size":
        if millimetres(record.text("Size")) is None:
            raise record.place.fault("'Size' has no number with mm or cm", "such as 50 mm")
        return record.text("Size")
    return region if part == "location" else named


def millimetres(text: str) -> float | None:
    """The one size that a text names; None for no size or several different ones."""
    found = {float(n) * (10 if unit.lower() == "cm" else 1) for n, unit in _SIZE.findall(text)}
    return found.pop() if len(found) == 1 else None


def terms(text: str) -> set[str]:
    """The comma-separated terms of a list."""
    return {" ".join(part.lower().rstrip(".").split()) for part in text.split(",") if part.strip(" .")}


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """Accuracy of presence, F1 of lists of terms, token F1 of places, error of sizes in millimetres."""
    part, wanted = question.filters["part"], target.answer or ""
    said = reading.value if reading.outcome == "read" and reading.value else ""
    if part == "presence":
        return kinds.score(question, reading, target)
    if part == "size":
        size, truth = millimetres(said), millimetres(wanted)
        if size is None or truth is None:
            return {"size_read": 0.0}
        return {"size_read": 1.0, "size_error_mm": abs(size - truth)}
    if part == "location":
        return {f"location_{name}": value for name, value in kinds.score(question, reading, target).items()}
    given, true = terms(said), terms(wanted)
    return {"set_f1": 2 * len(given & true) / (len(given) + len(true)) if given or true else 0.0}


METRICS = (
    ACCURACY,
    Metric("set_f1", official=True, meaning="F1 of the comma-separated abnormalities"),
    Metric("location_token_f1", official=True, meaning="overlap of words with the region's name"),
    Metric("size_error_mm", better="lower", official=True, meaning="where a size could be read"),
    Metric("size_read", meaning="share of answers with one size in mm or cm"),
)
TASKS = (LoadedTask(INFO, METRICS, load, scorer=score),)
