"""ReXGroundingCT: sentences on chest CT and their masks (Baharoon et al., 2025, arXiv 2507.22030).

Reads the released `dataset.json` and 4-D masks (finding, i, j, k; each instance has a number of its own).
Foveate answers in boxes, so an answer is measured as the voxels in its boxes: all scores are lower bounds of
what a segmentation could reach, and `oracle_dice` tells what the true boxes themselves would. Instances of an
answer are the connected parts of those voxels, as in the released evaluator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from foveate import prompts
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.images import FileImage
from foveate.evals.contract.questions import Items, Question, Target, hashed
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, Published, Scored, TaskInfo
from foveate.evals.metrics.distances import centre_distances, distance_counts, surface_distances
from foveate.evals.metrics.masks import HIT_DICE, LabelMap, dice, instance_counts, predicted_instances
from foveate.evals.metrics.matching import Counts
from foveate.evals.scoring import kinds
from foveate.evals.tasks.base import LoadedTask, chosen
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import found_file
from foveate.evals.tasks.reading import read_json_records
from foveate.evals.tasks.records import Place, Record
from foveate.evals.tasks.solids import boxes_of, filled, label_dimensions, read_labels
from foveate.tools.imaging.image import SourceImage

NAME = "rexgroundingct"
WINDOW = (-600.0, 1500.0)
_BOARD = "ReXGroundingCT's leaderboard (segmentations)"
_SCORES = {
    "Grounder 1.1": (0.332, 0.745, 0.329), "DVSM": (0.322, 0.642, 0.269),
    "MedCompose-CT": (0.297, 0.601, 0.179), "VoxTell": (0.285, 0.615, 0.227), "DAGG": (0.253, 0.517, 0.247),
    "SAT, fine-tuned": (0.205, 0.473, 0.107), "BiomedParse v2": (0.025, 0.066, 0.012),
}  # fmt: skip
STEPS_APART = 2.0
"""How many of the largest voxel steps an instance may lie off and still count by distance."""
PARTS: tuple[Literal["precision", "recall", "f1"], ...] = ("precision", "recall", "f1")

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
        for metric, value in zip(("dice", "hit@0.1", "instance_f1"), values, strict=True)
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
    masks = mask_channels(place, mask_path, len(findings))
    for number, sentence in sorted(findings.items()):
        channel = int(number)
        if channel >= masks:
            raise place.fault(f"finding {channel} has no mask", f"a channel each, the file has {masks}")
        instances = read_labels(str(image), str(mask_path), channel)
        question = Question(
            id=f"{NAME}-{hashed(NAME, name)}-{channel}",
            # the middle of the volume opens the question: the finding's own slice would give it away
            images=(FileImage(image, instances.n_slices // 2, WINDOW),),
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


def mask_channels(place: Place, path: Path, findings: int) -> int:
    """How many channels a mask file has. Raises DataFault when it is not 4-D or has too few."""
    shape = label_dimensions(place, path)
    if len(shape) != 4 or shape[0] < findings:
        raise place.fault(f"its mask has {len(shape)} dimensions", f"four, the first for {findings} findings")
    return shape[0]


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """3-D IoU of boxes; Dice, Hit, instances and distances of the voxels in the answer's boxes."""
    detail = target.detail
    truth = read_labels(detail["image"], detail["mask"], detail["channel"])
    given = filled(reading.regions if reading.outcome == "read" else (), truth)
    value = dice(given, truth.pixels > 0)
    instances = predicted_instances(given)
    near = _near(instances, truth, focal=question.filters["focal"] == "focal")
    return {
        **kinds.score(question, reading, target),
        "dice": value,
        "hit@0.1": float(value >= HIT_DICE),
        **_counts("instance", instance_counts(instances, truth.pixels)),
        **_counts("distance", near),
        "oracle_dice": dice(filled(target.regions, truth), truth.pixels > 0),
    }


def _near(instances: LabelMap, truth: SourceImage, focal: bool) -> Counts:
    """Instances whose centres (focal) or surfaces lie within twice the largest voxel step of a true one."""
    spacing = truth.spacing_mm or (1.0, 1.0, 1.0)
    distances = (centre_distances if focal else surface_distances)(instances, truth.pixels, spacing)
    return distance_counts(distances, STEPS_APART * max(spacing))


def _counts(name: str, counts: Counts) -> dict[str, float]:
    return {
        f"{name}_hits": float(counts.true_positives),
        f"{name}_extra": float(counts.false_positives),
        f"{name}_missed": float(counts.misses),
    }


def _summed(name: str, part: Literal["precision", "recall", "f1"]) -> Metric:
    """Precision, recall or F1 over the instances of all findings together, as the evaluator sums them."""

    def over(samples: Sequence[Scored]) -> float:
        sums = (sum(int(s.values[f"{name}_{kind}"]) for s in samples) for kind in ("hits", "extra", "missed"))
        return float(getattr(Counts(*sums), part))

    meaning = {
        "instance": "matched at Dice of 0.2 or more",
        "distance": "centres (focal) or surfaces within twice the largest voxel step",
    }[name]
    return Metric(f"{name}_{part}", over, official=True, meaning=f"instances of all findings, {meaning}")


def per_case(samples: Sequence[Scored]) -> float:
    """Mean over volumes of the mean Dice of a volume's findings."""
    cases: dict[str, list[float]] = {}
    for sample in samples:
        cases.setdefault(sample.id.rpartition("-")[0], []).append(sample.values["dice"])
    return float(np.mean([np.mean(values) for values in cases.values()])) if cases else float("nan")


METRICS = (
    Metric("dice", official=True, meaning="of the voxels in the answer's boxes with the mask, per finding"),
    Metric("dice_per_case", per_case, official=True, meaning="mean over volumes of their findings' mean"),
    Metric("hit@0.1", official=True, meaning="share with Dice of 0.1 or more"),
    *(_summed(name, part) for name in ("instance", "distance") for part in PARTS),
    Metric("oracle_dice", better=None, meaning="Dice that the true boxes themselves reach: the ceiling here"),
    Metric("miou_3d", meaning="3-D IoU of the answer's own best box"),
)
TASKS = (LoadedTask(INFO, METRICS, load, scorer=score),)
