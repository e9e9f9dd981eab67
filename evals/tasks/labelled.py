"""A labelled volume: any volume that can be opened, a label map on the same grid, and the labels' names.

Knows no question and no benchmark. Names come from a CSV (columns id and structure, name or label), a JSON
object (number → name, or name → number as nnU-Net's dataset.json has it under "labels"), or a Python file
that holds TotalSegmentator's `class_map`, which is parsed and never run.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foveate.evals.tasks.reading import existing, read_json, read_table, shown
from foveate.evals.tasks.records import DataFault, Place
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import ImageError, open_image

GRID_TOLERANCE = 0.25
"""How far, in voxels, the corners of the label map may lie from those of the volume."""


@dataclass(frozen=True, eq=False)
class LabelledVolume:
    """A volume and its labels in one orientation (radiological): slice, row, column of both are the same.

    `labels.pixels` hold label numbers; `names` has those that may be asked about. `name` is the volume's
    pseudonym, by which results are clustered.
    """

    name: str
    image: SourceImage
    labels: SourceImage
    names: Mapping[int, str]
    modality: str

    def slice_labels(self, plane: str, index: int) -> npt.NDArray[Any]:
        """Label numbers `[row, col]` of that slice, oriented as `image.plane_pixels` is."""
        return self.labels.plane_pixels(plane, index)


def open_labelled(
    name: str, volume: Path, labels: Path, names: Mapping[int, str], modality: str | None = None
) -> LabelledVolume:
    """Opens both files. Raises DataFault when one cannot be opened or they do not lie on one grid.

    `modality` is told where the file does not say it (NIfTI and NRRD do not, other than by CT's values).
    """
    image, label_image = _opened(volume), _opened(labels)
    place = Place(shown(labels))
    if not image.volume or image.affine is None or label_image.affine is None:
        raise place.fault("the volume or its label map does not say how it lies in the patient", "an affine")
    if label_image.pixels.dtype.kind not in "iu" or label_image.color:
        raise place.fault("the label map holds no whole numbers", "one label number a voxel")
    if label_image.pixels.shape != image.pixels.shape:
        raise place.fault("the label map has another size than its volume", "the same grid")
    if _apart(image.affine, label_image.affine, image.pixels.shape) > GRID_TOLERANCE:
        raise place.fault("the label map lies elsewhere than its volume", "the same grid")
    told = modality or image.modality
    if told is None:
        raise Place(shown(volume)).fault("the file does not say its modality", "it to be told (CT or MR)")
    return LabelledVolume(name, image, label_image, _present(place, label_image, names), told)


def read_names(path: Path, table: str = "total") -> dict[int, str]:
    """Label number → name. `table` picks the table of a TotalSegmentator file. Raises DataFault."""
    if path.suffix == ".csv":
        return _csv_names(path)
    if path.suffix == ".py":
        return _class_map(path, table)
    content = read_json(path)
    content = content.get("labels", content) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not content:
        raise Place(shown(path)).fault("it holds no names", "an object of label numbers and names")
    pairs = [(k, v) if str(k).isdigit() else (v, k) for k, v in content.items()]
    if not all(str(number).isdigit() and isinstance(text, str) for number, text in pairs):
        raise Place(shown(path)).fault(
            "a label has no number or no name", "an object of label numbers and names"
        )
    return {int(number): text for number, text in pairs if int(number) > 0}


def _opened(path: Path) -> SourceImage:
    try:
        return open_image(existing(path.parent, path.name))
    except ImageError as error:
        raise DataFault(str(error)) from None


def _apart(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """The largest distance of two grids' corners, in voxels of the first."""
    slices, rows, cols = (size - 1 for size in shape[:3])
    corners = np.array([[c, r, s, 1] for c in (0, cols) for r in (0, rows) for s in (0, slices)], float).T
    offset = np.linalg.inv(one) @ other @ corners - corners
    return float(np.abs(offset[:3]).max())


def _present(place: Place, labels: SourceImage, names: Mapping[int, str]) -> dict[int, str]:
    """The names of labels that the map really has."""
    found = {int(value) for value in np.unique(labels.pixels)}
    present = {number: name for number, name in sorted(names.items()) if number in found}
    if not present:
        raise place.fault("no label of the map has a name", "names for at least one label")
    return present


def _csv_names(path: Path) -> dict[int, str]:
    records = read_table(path, ["id"])
    column = next((c for c in ("structure", "name", "label") if records and c in records[0].values), None)
    if column is None:
        raise Place(shown(path), 1).fault("no column with names", "a column structure, name or label")
    return {record.integer("id"): record.text(column) for record in records if record.integer("id") > 0}


def _class_map(path: Path, table: str) -> dict[int, str]:
    tree = ast.parse(existing(path.parent, path.name).read_text(encoding="utf-8"))
    for node in tree.body:
        names = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
        if isinstance(node, ast.Assign) and "class_map" in names and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == table:
                    found: dict[int, str] = ast.literal_eval(value)
                    return found
    raise Place(shown(path)).fault(
        f"there is no class_map with a table {table!r}", "TotalSegmentator's names"
    )
