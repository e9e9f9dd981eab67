"""Where the subregion of a ReasonKnee question lies: the box of its labels in the volume's label map.

Two released files tie them together, `question_subregion_mapping.json` (question → subregion, or a list of
them) and `labels.json` (subregion ↔ label number, either way round). Their inner form is known from others'
descriptions only, so another form, like a release without them, leaves places unscored, and a note says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Region, Target
from foveate.evals.metrics.boxes import box_iou_3d
from foveate.evals.tasks.reading import read_json
from foveate.evals.tasks.records import Record
from foveate.evals.tasks.solids import boxes_of, hull, label_dimensions, read_labels
from foveate.tools.imaging.image import SourceImage

MAPPING, LABELS = "question_files/question_subregion_mapping.json", "question_files/labels.json"
COLUMN = "label_filepath"


@dataclass(frozen=True)
class Places:
    """Question number → label numbers of its subregion; empty where the release does not say."""

    numbers: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, folder: Path, notes: list[str]) -> Places:
        """What the two files say; appends to `notes` when they say nothing usable."""
        if not all((folder / name).exists() for name in (MAPPING, LABELS)):
            notes.append(f"Places are not scored: there is no {MAPPING} or no {LABELS}.")
            return cls({})
        labels = label_numbers(read_json(folder / LABELS))
        mapping = read_json(folder / MAPPING)
        found = question_numbers(mapping, labels) if isinstance(mapping, dict) else {}
        if not found:
            notes.append(f"Places are not scored: {MAPPING} and {LABELS} are not of the form that is known.")
        return cls(found)

    def detail(self, row: Record, folder: Path, image: Path, question: str) -> dict[str, Any]:
        """What `true_regions` needs, JSON-able; nothing where no place is known. Raises DataFault."""
        numbers = self.numbers.get(question)
        if numbers is None:
            return {}
        labels = folder / row.text(COLUMN)
        if not labels.exists():
            raise row.place.fault("the label map that the row names is not there", "it under the data folder")
        if len(label_dimensions(row.place, labels)) != 3:
            raise row.place.fault("its label map has no three dimensions", "a NIfTI volume of label numbers")
        return {"image": str(image), "labels": str(labels), "numbers": list(numbers)}


def label_numbers(content: Any) -> dict[str, int]:
    """Subregion → label number, from an object either way round; names without case or underscores."""
    if not isinstance(content, dict):
        return {}
    pairs = [(name, value) if isinstance(value, int) else (value, name) for name, value in content.items()]
    return {_plain(str(name)): int(number) for name, number in pairs if str(number).isdigit()}


def question_numbers(mapping: Mapping[str, Any], labels: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Question → label numbers, for the questions all of whose subregions have one."""
    found = {}
    for question, told in mapping.items():
        names = [told] if isinstance(told, str) else told
        if isinstance(names, list) and names and all(_plain(str(name)) in labels for name in names):
            found[str(question)] = tuple(labels[_plain(str(name))] for name in names)
    return found


def true_regions(detail: Mapping[str, Any]) -> tuple[Region, ...]:
    """The 3-D box round the question's labels; none where no place is known or the labels are not drawn."""
    return boxes_of(_drawn(detail)) if "labels" in detail else ()


def place_score(reading: Reading, target: Target) -> dict[str, float]:
    """`iou_3d` of the box round all that the answer cites, and whether it is 0.5; {} without a true place."""
    if not target.regions:
        return {}
    volume = _drawn(target.detail)
    given = hull(reading.regions if reading.outcome == "read" else (), volume)
    wanted = hull(target.regions, volume)
    value = 0.0 if given is None or wanted is None else box_iou_3d(given, wanted)
    return {"iou_3d": value, "iou_3d@0.5": float(value >= 0.5)}


def _drawn(detail: Mapping[str, Any]) -> SourceImage:
    """The label map with 1 where the question's labels are and 0 elsewhere."""
    volume = read_labels(detail["image"], detail["labels"])
    return replace(volume, pixels=np.isin(volume.pixels, detail["numbers"]).astype(np.int16))


def _plain(name: str) -> str:
    return name.strip().casefold().replace("_", " ")
