"""ChestX-ray8's hand-drawn boxes, `BBox_List_2017.csv` (Wang et al., CVPR 2017, arXiv 1705.02315).

The header of that file is no guide ("Bbox [x,y,w,h],,,"), so cells are read by position. One question an
image and finding. The original task is detection, so the wording of the question is Foveate's own.
"""

from __future__ import annotations

from pathlib import Path

from foveate import prompts
from foveate.evals.contract.questions import Items, Question, Region, Target, hashed
from foveate.evals.contract.tasks import LoadOptions, Metric, Published, TaskInfo
from foveate.evals.metrics.chestxray8 import THRESHOLDS
from foveate.evals.tasks.base import BOX_METRICS, LoadedTask
from foveate.evals.tasks.detection import localized
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import found_file, image_file, same_size
from foveate.evals.tasks.reading import read_positional
from foveate.evals.tasks.records import Record, xywh

NAME = "chestx-ray8"
FILE = "BBox_List_2017.csv"
CELLS = ("Image Index", "Finding Label", "x", "y", "w", "h")
SIZE = (1024, 1024)
_PAPER = "Wang et al., CVPR 2017"
_AT = {
    "Atelectasis": (0.728, 0.283), "Cardiomegaly": (0.993, 0.877), "Effusion": (0.712, 0.333),
    "Infiltration": (0.789, 0.423), "Mass": (0.435, 0.141), "Nodule": (0.165, 0.013),
    "Pneumonia": (0.750, 0.383), "Pneumothorax": (0.459, 0.184),
}  # fmt: skip
LABELS = {**{name: name for name in _AT}, "Infiltrate": "Infiltration"}

INFO = TaskInfo(
    name=NAME,
    title="ChestX-ray8: boxes of eight findings on chest X-rays",
    licence="open, with attribution to the NIH Clinical Center",
    licence_url="https://nihcc.app.box.com/v/ChestXray-NIHCC",
    obtain="BBox_List_2017.csv and the images from nihcc.app.box.com/v/ChestXray-NIHCC, archives unpacked.",
    expects=(FILE, "images | images_*"),
    kinds=("boxes",),
    accept=False,
    published=tuple(
        Published("ChestX-ray8's baseline", f"iobb_acc@{level:g} {finding}", values[k], _PAPER)
        for finding, values in _AT.items()
        for k, level in enumerate((0.1, 0.5))
    ),
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question an image and finding. Raises DataFault."""
    intake, groups = Intake(options), dict[tuple[str, str], list[Record]]()
    for record in read_positional(folder / FILE, CELLS):
        key = f"{record.values['Image Index']}\n{record.values['Finding Label']}"
        with intake.record(key):
            finding = LABELS[record.choice("Finding Label", tuple(LABELS))]
            groups.setdefault((record.text("Image Index"), finding), []).append(record)
    for (image, finding), rows in groups.items():
        told = [f"{image}\n{label}" for label, named in LABELS.items() if named == finding]
        if not intake.spoiled & set(told):
            with intake.record():
                _add(intake, folder, image, finding, rows)
    return intake.items(folder / FILE)


def _add(intake: Intake, folder: Path, image: str, finding: str, rows: list[Record]) -> None:
    place = rows[0].place
    archives = sorted(folder.glob("images_*"))
    path = found_file(place, folder / "images" / image, *(a / "images" / image for a in archives))
    same_size(place, path, SIZE)
    regions = []
    for row in rows:
        box = xywh(row.place, [row.number(name) for name in "xywh"], SIZE)
        intake.once(row.place, f"{image} {finding} {box}", "box of one finding")
        regions.append(Region(box, label=finding))
    question = Question(
        id=f"{NAME}-{Path(image).stem}-{finding.lower()}",
        images=(image_file(place, path),),
        prompt=prompts.fill("evals/chestx_ray8/question.txt", finding=finding.lower()),
        kind="boxes",
        cluster=hashed(NAME, image.split("_")[0]),
        filters={"finding": finding},
        phrase=finding.lower(),
    )
    intake.add(place, question, Target(regions=tuple(regions)))


METRICS = (
    *(Metric(f"iobb_acc@{level:g}", localized(level, "accuracy"), official=True) for level in THRESHOLDS),
    *(
        Metric(f"iobb_afp@{level:g}", localized(level, "average_false_positives"), "lower", official=True)
        for level in THRESHOLDS
    ),
    *(
        Metric(f"iobb_acc@{level:g} {finding}", localized(level, "accuracy", finding), official=True)
        for finding in _AT
        for level in (0.1, 0.5)
    ),
    *BOX_METRICS,
)
TASKS = (LoadedTask(INFO, METRICS, load),)
