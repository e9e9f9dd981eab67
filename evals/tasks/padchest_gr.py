"""PadChest-GR: report sentences with no, one or several boxes.

Reads `grounded_reports_20240819.json` and, for the split, `master_table.csv`. One question a sentence; a
sentence that tells of nothing abnormal has an empty target. Or one question a study: the whole grounded
report, whose claims a judge model compares with the study's sentences (RadFact). Boxes are shares of images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from foveate import prompts
from foveate.evals.contract.answers import Prediction, Reading
from foveate.evals.contract.questions import Corners, Items, Question, Region, Target, hashed
from foveate.evals.contract.tasks import Judge, LoadOptions, TaskInfo
from foveate.evals.scoring import entailment, kinds
from foveate.evals.scoring.entailment import Statement, score_report
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
    kinds=("boxes", "report"),
    options={
        "split": "test (default), validation, train or all",
        "part": "sentence (default) or report, which a --judge scores",
    },
    needs_judge=tuple(metric.name for metric in entailment.METRICS),
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question a sentence, or a study. Raises DataFault."""
    split = chosen(options, "split", ("test", "validation", "train", "all"))
    add = _report if chosen(options, "part", ("sentence", "report")) == "report" else _study
    patients = _patients(folder / TABLE, split)
    intake = Intake(options)
    for record in read_json_records(folder / FILE):
        with intake.record():
            image_id = record.text("ImageID")
            if image_id not in patients:
                continue
            intake.once(record.place, f"image {image_id}", "ImageID")
            add(intake, folder, record, patients[image_id])
    return intake.items(folder / FILE)


def _patients(path: Path, split: str) -> dict[str, str]:
    """ImageID → patient (or study, where the table has no patient) of a split."""
    rows = read_table(path, ("ImageID", "StudyID", "split"))
    return {
        row.text("ImageID"): row.text("PatientID" if row.has("PatientID") else "StudyID")
        for row in rows
        if split == "all" or row.text("split").lower() == split
    }


def _image(folder: Path, record: Record) -> Path:
    name, images = record.text("ImageID"), folder / IMAGES
    return found_file(record.place, images / name, images / "PadChest_GR" / name)


def _findings(record: Record) -> list[Record]:
    found = record.items("findings")
    if not all(isinstance(values, dict) for values in found):
        raise record.place.fault("a finding is no object", "an object with sentence_en")
    return [Record(record.place, values) for values in found]


def _report(intake: Intake, folder: Path, record: Record, patient: str) -> None:
    image_id, place, path = record.text("ImageID"), record.place, _image(folder, record)
    size, findings = file_size(place, path), _findings(record)
    if not findings:
        raise place.fault("a study has no sentence", "one or more findings")
    each = [_regions(finding, size) for finding in findings]
    texts = [finding.text("sentence_en") for finding in findings]
    boxes = [[region.box for region in regions] for regions in each]
    question = Question(
        id=f"{NAME}-report-{hashed(NAME, image_id)}",
        images=(image_file(place, path),),
        prompt=prompts.text("evals/padchest_gr/report.txt"),
        kind="report",
        cluster=hashed(NAME, patient),
        filters={"sentences": str(len(texts)) if len(texts) < 4 else "4 or more"},
    )
    detail = {"sentences": texts, "boxes": boxes, "size": list(size)}
    regions = tuple(region for part in each for region in part)
    intake.add(place, question, Target(answer=" ".join(texts), regions=regions, detail=detail))


def _study(intake: Intake, folder: Path, record: Record, patient: str) -> None:
    image_id, place, path = record.text("ImageID"), record.place, _image(folder, record)
    size = file_size(place, path)
    for number, finding in enumerate(_findings(record)):
        regions = _regions(finding, size)
        labels = finding.values.get("labels") or ["none"]
        question = Question(
            id=f"{NAME}-{hashed(NAME, image_id)}-{number}",
            images=(image_file(place, path),),
            prompt=prompts.fill("evals/padchest_gr/question.txt", sentence=finding.text("sentence_en")),
            phrase=finding.text("sentence_en"),
            kind="boxes",
            cluster=hashed(NAME, patient),
            filters={
                "finding": str(labels[0]),
                "boxes": str(len(regions)) if len(regions) < 3 else "3 or more",
                "abnormal": "yes" if finding.values.get("abnormal") else "no",
            },
        )
        intake.add(place, question, Target(regions=regions))


def _regions(finding: Record, size: tuple[int, int]) -> tuple[Region, ...]:
    """`boxes` of the finding; negatives lack the key. `extra_boxes` are another kind of note and not used."""
    if finding.values.get("boxes") is None:
        return ()
    boxes = [exactly(finding.place, "boxes", box, 4) for box in finding.items("boxes")]
    return tuple(Region(unit_box(finding.place, box, size)) for box in boxes)


def read(question: Question, prediction: Prediction) -> Reading:
    """Boxes as usual; of a report the claims, each with the numbers of its boxes."""
    reading = kinds.read(question, prediction)
    if question.kind != "report" or reading.outcome != "read":
        return reading
    claims = [{"text": claim.text, "regions": list(claim.regions)} for claim in prediction.claims]
    return replace(reading, detail={"claims": claims})


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """The values of boxes; RadFact of a report, which takes a judge."""
    if question.kind != "report":
        return kinds.score(question, reading, target)
    if judge is None:
        return {}
    detail, size = target.detail, target.detail["size"]
    claims = reading.detail.get("claims", []) if reading.outcome == "read" else []
    generated = [
        _stated(claim["text"], [reading.regions[number].box for number in claim["regions"]], size)
        for claim in claims
    ]
    pairs = zip(detail["sentences"], detail["boxes"], strict=True)
    return score_report(generated, [_stated(text, boxes, size) for text, boxes in pairs], judge)


def _stated(text: str, boxes: Sequence[Corners], size: tuple[int, int]) -> Statement:
    """A sentence with its boxes as shares of the image."""
    w, h = size
    return Statement(text, tuple((x0 / w, y0 / h, x1 / w, y1 / h) for x0, y0, x1, y1 in boxes))


METRICS = (*BOX_METRICS, *ABSENCE_METRICS, *MAP_METRICS, *entailment.METRICS)
TASKS = (LoadedTask(INFO, METRICS, load, read, score),)
