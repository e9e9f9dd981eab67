"""VinDr-CXR: findings on chest X-rays with the boxes of several radiologists (Nguyen et al., 2022).

Reads the annotations of PhysioNet's vindr-cxr 1.0.0. One question an image and finding; the readers' boxes
are fused (weighted box fusion, IoU 0.1, as RadVLM does) and kept one by one too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from foveate import prompts
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Items, Question, Region, Target, hashed
from foveate.evals.contract.tasks import Judge, LoadOptions, Published, TaskInfo
from foveate.evals.metrics.fusion import weighted_box_fusion
from foveate.evals.scoring import heat
from foveate.evals.scoring.boxes import score_readers
from foveate.evals.tasks.base import BOX_METRICS, READERS_METRICS, LoadedTask, chosen
from foveate.evals.tasks.detection import MAP_METRICS
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import file_size, found_file, image_file
from foveate.evals.tasks.reading import read_table
from foveate.evals.tasks.records import XYXY, Record, xyxy

NAME = "vindr-cxr"
COLUMNS = ("image_id", "class_name", "x_min", "y_min", "x_max", "y_max")
UNSEEN = ("infiltration", "mediastinal shift", "pneumothorax", "emphysema", "lung cyst", "edema")
NOTHING = "no finding"
FUSION_IOU = 0.1
_HEAT = "PMLR 315:2864 (MIDL 2026), heat-map protocol on the test set"

INFO = TaskInfo(
    name=NAME,
    title="VinDr-CXR: findings on chest X-rays, several readers",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    licence_url="https://physionet.org/content/vindr-cxr/view-license/1.0.0/",
    obtain="vindr-cxr 1.0.0 from physionet.org/content/vindr-cxr (credentialed), unpacked as released.",
    expects=("annotations/annotations_test.csv | annotations/annotations_train.csv", "test | train"),
    kinds=("boxes",),
    published=(
        Published("MAIRA-2", "miou_heat", 0.141, _HEAT, "no box for 129 of 443"),
        Published("LDM, prompt-tuned", "miou_heat", 0.205, _HEAT),
        Published("LDM, frozen", "miou_heat", 0.118, _HEAT),
        Published("BioViL-T", "miou_heat", 0.149, _HEAT),
        Published("BioViL", "miou_heat", 0.145, _HEAT),
    ),
    options={
        "split": "test (default; consensus of five) or train (three readers an image)",
        "classes": "all (default), seen or unseen, as K2Sight and AG-KD divide them",
    },
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question an image and finding with boxes. Raises DataFault."""
    split, which = (
        chosen(options, "split", ("test", "train")),
        chosen(options, "classes", ("all", "seen", "unseen")),
    )
    path = folder / "annotations" / f"annotations_{split}.csv"
    intake, groups, nothing = Intake(options), dict[tuple[str, str], list[Record]](), set[str]()
    for record in read_table(path, COLUMNS):
        key = f"{record.values['image_id']}\n{record.values['class_name']}"
        with intake.record(key):
            finding = record.text("class_name")
            if finding.lower() == NOTHING:
                nothing.add(record.text("image_id"))
            elif which == "all" or (finding.lower() in UNSEEN) == (which == "unseen"):
                groups.setdefault((record.text("image_id"), finding), []).append(record)
    for (image_id, finding), rows in groups.items():
        if f"{image_id}\n{finding}" not in intake.spoiled:
            with intake.record():
                _add(intake, folder / split, image_id, finding, rows)
    if nothing:
        intake.notes.append(f"{len(nothing)} images without a finding are not asked about.")
    return intake.items(path)


def _add(intake: Intake, images: Path, image_id: str, finding: str, rows: list[Record]) -> None:
    place = rows[0].place
    path = found_file(place, images / f"{image_id}.dicom", images / f"{image_id}.dcm")
    size = file_size(place, path)
    readers: dict[str, list[XYXY]] = {}
    for row in rows:
        reader = row.text("rad_id") if row.has("rad_id") else row.text("rad_ID") if row.has("rad_ID") else ""
        box = xyxy(row.place, [row.number(name) for name in COLUMNS[2:]], size)
        readers.setdefault(reader, []).append(box)
    fused = weighted_box_fusion(list(readers.values()), iou_threshold=FUSION_IOU).boxes
    each = tuple(tuple(Region(box, label=finding) for box in boxes) for boxes in readers.values())
    question = Question(
        id=f"{NAME}-{hashed(NAME, image_id)}-{finding.lower().replace(' ', '-').replace('/', '-')}",
        images=(image_file(place, path),),
        prompt=prompts.fill("evals/vindr_cxr/question.txt", finding=finding),
        kind="boxes",
        cluster=hashed(NAME, image_id),
        filters={
            "finding": finding,
            "seen": "unseen" if finding.lower() in UNSEEN else "seen",
            "readers": str(len(readers)),
        },
        phrase=finding,
    )
    regions = tuple(Region((x0, y0, x1, y1), label=finding) for x0, y0, x1, y1 in fused.tolist())
    intake.add(place, question, Target(regions=regions, readers=each if len(each) > 1 else ()))


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """The values of boxes and heat maps and, where several readers drew, those expected over them."""
    return {**heat.score(question, reading, target, judge), **score_readers(reading, target)}


METRICS = (*MAP_METRICS, *BOX_METRICS, *READERS_METRICS, *heat.heat_metrics())
TASKS = (LoadedTask(INFO, METRICS, load, scorer=score),)
