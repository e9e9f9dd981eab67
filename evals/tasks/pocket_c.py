"""pocket-c: questions on patient C, a real abdominal CT of another scanner, from its labels.

Where a structure is, whether it is visible, on which side, how two lie to each other, and structures that are
not there. The labels are TotalSegmentator's output, corrected by nobody, and there is one patient: intervals
say nothing about other patients. Ground truth is computed from the label map with the names that the pocket
models know; knows no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foveate import prompts
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.images import FileImage
from foveate.evals.contract.questions import AnswerKind, Items, Question, Region, Target, hashed
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, TaskInfo
from foveate.evals.scoring import heat
from foveate.evals.tasks.base import ABSENCE_METRICS, BOX_METRICS, LoadedTask, chosen
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.labelled import LabelledVolume, open_labelled, read_names
from foveate.evals.tasks.pocket_names import label_numbers, single_structures
from foveate.evals.tasks.pocket_reading import read_pocket
from foveate.evals.tasks.reading import shown
from foveate.evals.tasks.records import Place
from foveate.evals.tasks.spatial import Extent, before, extents

NAME = "pocket-c"
SERIES = "raw/tests/reference_files/example_ct_dicom"
LABELS = "raw/tests/reference_files/example_seg_dicom.nii.gz"
CLASS_MAP = "raw/totalsegmentator/map_to_binary.py"
MIN_PIXELS = 12
OFF_CENTRE = 0.15
"""A side is asked of structures whose box's centre lies this share of the width from the middle, or more."""

INFO = TaskInfo(
    name=NAME,
    title="Patient C: where, whether, which side, how two lie to each other (real abdominal CT)",
    licence="Apache-2.0 (TotalSegmentator's test files)",
    licence_url="https://github.com/wasserth/TotalSegmentator/blob/master/LICENSE",
    obtain="run `python -m foveate.pocket.data` (about 20 s, from the package registry).",
    expects=(SERIES, LABELS, CLASS_MAP),
    kinds=("boxes", "yes_no", "text"),
    accept=False,
    options={"every": "1 (default), 2, 3, 5 or 10: every so many slices of the 20"},
)


@dataclass(frozen=True)
class Asked:
    """One question on a slice: `asked` names its template, `truth` what is right."""

    asked: str
    a: str
    b: str = ""
    truth: bool = True
    box: tuple[float, float, float, float] | None = None


def load(folder: Path, options: LoadOptions) -> Items:
    """All questions, slice by slice. Raises DataFault."""
    names = read_names(folder / CLASS_MAP)
    volume = open_labelled("C", folder / SERIES, folder / LABELS, names)
    every = int(chosen(options, "every", ("1", "2", "3", "5", "10")))
    intake, place = Intake(options), Place(shown(folder / LABELS))
    for index in range(0, volume.image.n_slices, every):
        image = FileImage(folder / SERIES, index)
        for number, asked in enumerate(slice_questions(volume, index, options.seed)):
            question = Question(
                id=f"{NAME}-{index:02d}-{number:03d}",
                images=(image,),
                prompt=prompts.table("evals/pocket/questions.toml")[asked.asked].format(a=asked.a, b=asked.b),
                kind=_kind(asked.asked),
                cluster=hashed(NAME, f"slice {index}"),
                filters=_filters(asked),
                phrase=asked.a if asked.asked == "where" else None,
            )
            intake.add(place, question, _target(asked, index))
    intake.notes.append("One patient: intervals resample slices and say nothing about other patients.")
    return intake.items(folder / LABELS)


def slice_questions(volume: LabelledVolume, index: int, seed: int) -> Iterator[Asked]:
    """The questions on one axial slice: as many yes as no where yes or no is asked."""
    rng = np.random.default_rng([seed, index])
    here = visible(volume, index)
    missing = sorted(set(single_structures()) - set(here))
    absent = [str(name) for name in rng.choice(missing, min(8, len(missing)), replace=False)]
    for name, extent in here.items():
        yield Asked("where", name, box=extent.box)
    for name in absent:
        yield Asked("where", name, truth=False)
    several = min(6, len(here), len(absent))
    for name in [*rng.choice(sorted(here), several, replace=False), *absent[:several]]:
        yield Asked("present", str(name), truth=str(name) in here)
    yield from _relations(rng, here)
    width = volume.image.plane_size("axial")[0]
    for name, extent in here.items():
        off = (extent.box[0] + extent.box[2]) / 2 / width - 0.5
        if abs(off) > OFF_CENTRE:
            yield Asked("side", name, truth=off > 0)


def visible(volume: LabelledVolume, index: int) -> dict[str, Extent]:
    """The nameable structures on an axial slice, parts taken together, with at least 12 pixels."""
    labels, found = volume.slice_labels("axial", index), {}
    for name, numbers in label_numbers(volume.names).items():
        one = extents(np.isin(labels, numbers), {1: name}, MIN_PIXELS)
        if one:
            found[name] = one[0]
    return found


def _relations(rng: np.random.Generator, here: dict[str, Extent]) -> Iterator[Asked]:
    """Four pairs a relation whose boxes lie clear of each other, each asked one way round."""
    for axis, relation in enumerate(("left_of", "above")):
        pairs = [(a, b) for a in here for b in here if a != b and before(here[a], here[b], axis) is not None]
        for k in rng.permutation(len(pairs))[:4]:
            a, b = pairs[k]
            yield Asked(relation, a, b, bool(before(here[a], here[b], axis)))


def _filters(asked: Asked) -> dict[str, str]:
    kind = "absent" if asked.asked == "where" and not asked.truth else asked.asked
    return {"asked": kind, "structure": asked.a}


def _kind(asked: str) -> AnswerKind:
    return "boxes" if asked == "where" else "text" if asked == "side" else "yes_no"


def _target(asked: Asked, index: int) -> Target:
    if asked.asked == "where":
        return Target(
            regions=() if asked.box is None else (Region(asked.box, slice_index=index, label=asked.a),)
        )
    if asked.asked == "side":
        return Target(answer="right" if asked.truth else "left")
    return Target(answer="yes" if asked.truth else "no")


NAMED = {
    "present": ("presence_acc", "accuracy"),
    "left_of": ("relation_acc", "accuracy"),
    "above": ("relation_acc", "accuracy"),
    "side": ("side_acc", "exact_match"),
}


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """The values of the question's kind, those of yes, no and sides under names of their own too."""
    values = dict(heat.score(question, reading, target, judge))
    if question.filters["asked"] in NAMED:
        name, value = NAMED[question.filters["asked"]]
        values[name] = values[value]
    return values


METRICS = (
    *BOX_METRICS,
    *ABSENCE_METRICS,
    Metric("presence_acc", meaning="whether it is visible; half of those asked for are not"),
    Metric("relation_acc", meaning="left of and above, of structures that lie clear of each other"),
    Metric("side_acc", meaning="image left or image right"),
    *heat.heat_metrics("structure"),
)
TASKS = (LoadedTask(INFO, METRICS, load, read_pocket, score, folder=""),)
