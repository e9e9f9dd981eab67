"""PadChest-GR: report sentences with no, one or several boxes.

Reads `grounded_reports_20240819.json` and, for the split, `master_table.csv`. One question a sentence; a
sentence that tells of nothing abnormal has an empty target. Boxes are shares of the image.
"""

from __future__ import annotations

from pathlib import Path

from foveate import prompts
from foveate.evals.contract.questions import Items, Question, Region, Target, hashed
from foveate.evals.contract.tasks import LoadOptions, TaskInfo
from foveate.evals.tasks.base import ABSENCE_METRICS, BOX_METRICS, LoadedTask, chosen
from foveate.evals.tasks.detection import MAP_METRICS
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import file_size, found_file, image_file
from foveate.evals.tasks.reading import read_json_records, read_table
from foveate.evals.tasks.records import Record, exactly, unit_box

NAME = "padchest-gr"
FILE, TABLE, IMAGES = "grounded_reports_20240819.json", "master_table.csv", "Padchest_GR_files"

INFO = TaskInfo(
    name=NAME,
    title="PadChest-GR: grounded report sentences on chest X-rays",
    licence="the data set's terms of use (on request)",
    licence_url="https://bimcv.cipf.es/bimcv-projects/padchest-gr/",
    obtain="PadChest-GR from bimcv.cipf.es/bimcv-projects/padchest-gr (on request), archives unpacked.",
    expects=(FILE, TABLE, IMAGES),
    kinds=("boxes",),
    options={"split": "test (default), validation, train or all"},
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question a sentence. Raises DataFault."""
    split = chosen(options, "split", ("test", "validation", "train", "all"))
    patients = _patients(folder / TABLE, split)
    intake = Intake(options)
    for record in read_json_records(folder / FILE):
        with intake.record():
            image_id = record.text("ImageID")
            if image_id not in patients:
                continue
            intake.once(record.place, f"image {image_id}", "ImageID")
            _study(intake, folder, record, patients[image_id])
    return intake.items(folder / FILE)


def _patients(path: Path, split: str) -> dict[str, str]:
    """ImageID → patient (or study, where the table has no patient) of a split."""
    rows = read_table(path, ("ImageID", "StudyID", "split"))
    return {
        row.text("ImageID"): row.text("PatientID" if row.has("PatientID") else "StudyID")
        for row in rows
        if split == "all" or row.text("split").lower() == split
    }


def _study(intake: Intake, folder: Path, record: Record, patient: str) -> None:
    image_id, place = record.text("ImageID"), record.place
    images = folder / IMAGES
    path = found_file(place, images / image_id, images / "PadChest_GR" / image_id)
    size = file_size(place, path)
    for number, values in enumerate(record.items("findings")):
        if not isinstance(values, dict):
            raise place.fault("a finding is no object", "an object with sentence_en")
        finding = Record(place, values)
        regions = _regions(finding, size)
        labels = values.get("labels") or ["none"]
        question = Question(
            id=f"{NAME}-{hashed(NAME, image_id)}-{number}",
            images=(image_file(place, path),),
            prompt=prompts.fill("evals/padchest_gr/question.txt", sentence=finding.text("sentence_en")),
            kind="boxes",
            cluster=hashed(NAME, patient),
            filters={
                "finding": str(labels[0]),
                "boxes": str(len(regions)) if len(regions) < 3 else "3 or more",
                "abnormal": "yes" if values.get("abnormal") else "no",
            },
        )
        intake.add(place, question, Target(regions=regions))


def _regions(finding: Record, size: tuple[int, int]) -> tuple[Region, ...]:
    """`boxes` of the finding; negatives lack the key. `extra_boxes` are another kind of note and not used."""
    if finding.values.get("boxes") is None:
        return ()
    boxes = [exactly(finding.place, "boxes", box, 4) for box in finding.items("boxes")]
    return tuple(Region(unit_box(finding.place, box, size)) for box in boxes)


TASKS = (LoadedTask(INFO, (*BOX_METRICS, *ABSENCE_METRICS, *MAP_METRICS), load),)
