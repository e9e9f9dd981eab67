"""ReXGroundingCT: sentences on chest CT and their masks (Baharoon et al., 2025, arXiv 2507.22030).

Reads the released `dataset.json` and 4-D masks (finding, i, j, k; each instance has a number of its own).
Foveate answers in boxes, so an answer is measured as the voxels in its boxes: Dice and Hit are lower bounds
of what a segmentation could reach, and `oracle_dice` tells what the true boxes themselves would.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from foveate import prompts
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.images import FileImage
from foveate.evals.contract.questions import Items, Question, Region, Target, hashed
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, Published, TaskInfo
from foveate.evals.metrics.masks import dice
from foveate.evals.scoring import kinds
from foveate.evals.tasks.base import LoadedTask, chosen
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import found_file
from foveate.evals.tasks.reading import read_json_records, shown
from foveate.evals.tasks.records import Place, Record
from foveate.tools.imaging.canonical import LPS_TO_RAS, canonical_volume

NAME = "rexgroundingct"
WINDOW = (-600.0, 1500.0)
_BOARD = "ReXGroundingCT's leaderboard (segmentations)"
_SCORES = {
    "DVSM": (0.322, 0.642), "MedCompose-CT": (0.297, 0.601), "VoxTell": (0.285, 0.615),
    "DAGG": (0.253, 0.517), "SAT, fine-tuned": (0.205, 0.473), "BiomedParse v2": (0.025, 0.066),
}  # fmt: skip
Labels = npt.NDArray[np.int16]

INFO = TaskInfo(
    name=NAME,
    title="ReXGroundingCT: sentences of reports on chest CT, in three dimensions",
    licence="CC-BY-NC-SA-4.0 (gated)",
    licence_url="https://huggingface.co/datasets/rajpurkarlab/ReXGroundingCT",
    obtain="huggingface.co/datasets/rajpurkarlab/ReXGroundingCT (gated): dataset.json and "
    "segmentations/; the CTs from CT-RATE in images/.",
    expects=("dataset.json", "images", "segmentations"),
    kinds=("regions_3d",),
    published=tuple(
        Published(model, metric, value, _BOARD, "masks, not boxes")
        for model, values in _SCORES.items()
        for metric, value in zip(("dice", "hit@0.1"), values, strict=True)
    ),
    options={"split": "val (default) or train; the test set's masks are hidden"},
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question a finding. Raises DataFault."""
    split = chosen(options, "split", ("val", "train"))
    intake = Intake(options)
    for record in read_json_records(folder / "dataset.json", split):
        with intake.record():
            _case(intake, folder, record)
    return intake.items(folder / "dataset.json")


def _case(intake: Intake, folder: Path, record: Record) -> None:
    name, place = record.text("name"), record.place
    intake.once(place, name, "name")
    image = found_file(place, folder / "images" / name)
    mask_path = found_file(place, folder / "segmentations" / name)
    findings, categories = record.values.get("findings"), record.values.get("categories")
    if not isinstance(findings, dict) or not isinstance(categories, dict):
        raise place.fault("'findings' or 'categories' is no object", "objects by finding number")
    masks = mask_shape(place, mask_path, len(findings))
    for number, sentence in sorted(findings.items()):
        channel = int(number)
        if channel >= masks:
            raise place.fault(f"finding {channel} has no mask", f"a channel each, the file has {masks}")
        instances = read_mask(str(image), str(mask_path), channel)
        question = Question(
            id=f"{NAME}-{hashed(NAME, name)}-{channel}",
            images=(FileImage(image, _middle(instances), WINDOW),),
            prompt=prompts.fill("evals/rexgroundingct/question.txt", finding=str(sentence).strip()),
            kind="regions_3d",
            cluster=hashed(NAME, name.rpartition("_")[0]),
            filters={
                "category": str(categories.get(number, "unknown")),
                "focal": "focal" if str(categories.get(number, "")).startswith("2") else "not focal",
            },
        )
        detail = {"image": str(image), "mask": str(mask_path), "channel": channel}
        intake.add(place, question, Target(regions=boxes_of(instances), detail=detail))


def _middle(instances: Labels) -> int:
    """The middle of the volume opens the question: the finding's own slice would give it away."""
    return int(instances.shape[0]) // 2


def mask_shape(place: Place, path: Path, findings: int) -> int:
    """How many channels a mask file has. Raises DataFault when it is not 4-D or has too few."""
    import nibabel as nib

    try:
        shape = nib.load(path).shape  # type: ignore[attr-defined]
    except Exception:  # nibabel's text may hold the file's values
        raise place.fault("its mask cannot be read", "a NIfTI file") from None
    if len(shape) != 4 or shape[0] < findings:
        raise place.fault(f"its mask has {len(shape)} dimensions", f"four, the first for {findings} findings")
    return int(shape[0])


@lru_cache(maxsize=4)
def read_mask(image: str, mask: str, channel: int) -> Labels:
    """One finding's instances [slice, row, col], turned as the opened image is."""
    import nibabel as nib

    header: Any = nib.load(image)
    array = np.asarray(nib.load(mask).dataobj[channel]).astype(np.int16)  # type: ignore[attr-defined]
    if array.shape != header.shape[:3]:
        raise Place(shown(Path(mask))).fault("the mask has another size than its image", "the same grid")
    return canonical_volume(array, LPS_TO_RAS @ header.affine, "radiological", []).pixels


def boxes_of(instances: Labels) -> tuple[Region, ...]:
    """A 3-D box an instance, in axial slices."""
    found = []
    for where in ndimage.find_objects(instances.astype(np.int32)):
        if where is not None:
            slices, rows, cols = where
            box = (float(cols.start), float(rows.start), float(cols.stop), float(rows.stop))
            found.append(Region(box, slice_index=slices.start, slice_stop=slices.stop))
    return tuple(found)


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """3-D IoU of boxes; Dice and Hit of the voxels in the answer's boxes with the mask."""
    detail = target.detail
    truth = read_mask(detail["image"], detail["mask"], detail["channel"]) > 0
    given = filled(reading.regions if reading.outcome == "read" else (), truth.shape)
    value = dice(given, truth)
    return {
        **kinds.score(question, reading, target),
        "dice": value,
        "hit@0.1": float(value >= 0.1),
        "oracle_dice": dice(filled(target.regions, truth.shape), truth),
    }


def filled(regions: tuple[Region, ...], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """The voxels whose centre lies in any of the boxes."""
    mask = np.zeros(shape, dtype=bool)
    for region in regions:
        x0, y0, x1, y1 = (round(value) for value in region.box)
        stop = region.slice_index + 1 if region.slice_stop is None else region.slice_stop
        if region.plane in (None, "axial"):
            mask[region.slice_index : stop, y0:y1, x0:x1] = True
    return mask


METRICS = (
    Metric("dice", official=True, meaning="of the voxels in the answer's boxes with the mask"),
    Metric("hit@0.1", official=True, meaning="share with Dice of 0.1 or more"),
    Metric("oracle_dice", better=None, meaning="Dice that the true boxes themselves reach: the ceiling here"),
    Metric("miou_3d", meaning="3-D IoU of the answer's own best box"),
)
TASKS = (LoadedTask(INFO, METRICS, load, scorer=score),)
