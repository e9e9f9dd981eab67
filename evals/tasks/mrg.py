"""MRG, of uMedGround: from a report and its image to the phrase that can be pointed at, and its box.

Reads the released `.pth` files (lists under image_paths, bboxes, all_reports and phrases), and nothing but
plain data of them. Their boxes are x, y, width, height on the image stretched to a square of 640 pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foveate import prompts
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Items, Question, Region, Target, hashed
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, Published, TaskInfo
from foveate.evals.metrics.text import token_score
from foveate.evals.scoring import kinds
from foveate.evals.tasks.base import BOX_METRICS, LoadedTask, chosen
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import file_size, image_file
from foveate.evals.tasks.reading import shown
from foveate.evals.tasks.records import Place, Record, exactly, xywh, xyxy

NAME = "mrg"
SQUARE = 640
KEYS = ("image_paths", "bboxes", "all_reports", "phrases")
_FIGURE = "uMedGround's repository, table of MRG-MS-CXR"
_SCORES = {
    "GPT-4o end to end": (0.2455, 0.0898, 0.0299, 0.0751),
    "LLaVA fine-tuned": (0.6108, 0.2934, 0.0479, 0.1936),
    "InternVL fine-tuned": (0.5749, 0.3653, 0.1796, 0.2321),
    "GPT-4 phrases, MedRPG": (0.5749, 0.4012, 0.1856, 0.2573),
    "MedGround": (0.8743, 0.7126, 0.5150, 0.4604),
    "uMedGround": (0.8982, 0.7246, 0.5329, 0.4765),
}

INFO = TaskInfo(
    name=NAME,
    title="MRG (uMedGround): report to phrase and box",
    licence="of MS-CXR and MIMIC-CXR (PhysioNet, credentialed); ChestX-ray8's part is open",
    licence_url="https://physionet.org/content/ms-cxr/view-license/1.1.0/",
    obtain="the .pth files of uMedGround as SET_test.pth, …, and the images that they name, under images/.",
    expects=("*_test.pth | *_val.pth | *_train.pth", "images"),
    kinds=("boxes",),
    published=tuple(
        Published(model, metric, value, _FIGURE)
        for model, values in _SCORES.items()
        for metric, value in zip(("acc@0.1", "acc@0.3", "acc@0.5", "miou_box"), values, strict=True)
    ),
    options={"split": "test (default), val or train"},
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question an entry of every set of the split. Raises DataFault."""
    split = chosen(options, "split", ("test", "val", "train"))
    intake = Intake(options)
    for path in sorted(folder.glob(f"*_{split}.pth")):
        for record in _records(path):
            with intake.record():
                _add(intake, folder, record, path.stem)
    return intake.items(folder)


def _records(path: Path) -> list[Record]:
    place = Place(shown(path))
    content = _content(path, place)
    lists = [content[key] for key in KEYS if key in content] if isinstance(content, dict) else []
    if len(lists) != len(KEYS) or not all(isinstance(each, list) for each in lists):
        raise place.fault("it lacks a list", f"lists under {', '.join(KEYS)}")
    if len({len(each) for each in lists}) != 1:
        raise place.fault("its lists differ in length", "one entry an image in each")
    rows = zip(*lists, strict=True)
    return [
        Record(Place(shown(path), number, "entry"), dict(zip(KEYS, row, strict=True)))
        for number, row in enumerate(rows, start=1)
    ]


def _content(path: Path, place: Place) -> Any:
    import torch

    try:  # only plain data is read: a pickle could run anything
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch's text quotes the file
        raise place.fault("it cannot be read", "a torch file of plain lists, texts and numbers") from None


def _add(intake: Intake, folder: Path, record: Record, named: str) -> None:
    place = record.place
    image = image_file(place, folder / "images" / record.text("image_paths"))
    width, height = file_size(place, image.path)
    values = record.values["bboxes"]
    x0, y0, x1, y1 = xywh(place, exactly(place, "bboxes", list(values), 4), (SQUARE, SQUARE))
    scale_x, scale_y = width / SQUARE, height / SQUARE
    box = xyxy(place, (x0 * scale_x, y0 * scale_y, x1 * scale_x, y1 * scale_y), (width, height))
    phrase = record.text("phrases")
    question = Question(
        id=f"{NAME}-{named}-{record.place.line}",
        images=(image,),
        prompt=prompts.fill("evals/mrg/question.txt", report=record.text("all_reports")),
        kind="boxes",
        cluster=hashed(NAME, record.text("image_paths")),
        filters={"set": named},
    )
    intake.add(place, question, Target(answer=phrase, regions=(Region(box, label=phrase),)))


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """The values of boxes, and how the first box's label meets the phrase."""
    said = reading.regions[0].label if reading.outcome == "read" and reading.regions else ""
    return {**kinds.score(question, reading, target), "phrase_f1": token_score(said, target.answer or "").f1}


METRICS = (
    *BOX_METRICS,
    Metric("phrase_f1", meaning="overlap of words of the answer's phrase with the phrase"),
)
TASKS = (LoadedTask(INFO, METRICS, load, scorer=score),)
