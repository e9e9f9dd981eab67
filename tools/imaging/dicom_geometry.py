"""Where DICOM pixels lie in the patient: orientation, position, spacing; and stacks of slices as volumes.

It does not decode pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from foveate.tools.imaging.dicom_file import number
from foveate.tools.imaging.dicom_pixels import functional_group

Vector = npt.NDArray[np.float64]
_LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))  # where +x, +y, +z lead, and the opposite
_UNEVEN = 0.1  # of the slice distance
_CENTIMETRE = 3  # DICOM's code for the unit of an ultrasound region


class UnevenStack(ValueError):
    """Slices that make no volume; the text says why, without values of the files."""


@dataclass(frozen=True)
class Placement:
    """One slice in the patient: unit vectors of rising column and row index, centre of the first pixel."""

    along_row: Vector
    along_column: Vector
    position: Vector
    spacing: tuple[float, float]  # (row_mm, col_mm)
    thickness: float

    @property
    def normal(self) -> Vector:
        return np.asarray(np.cross(self.along_row, self.along_column), np.float64)

    def affine(self, step: Vector | None = None) -> Vector:
        """(col, row, slice) to patient mm; ``step`` is from slice to slice, else the thickness is used."""
        matrix = np.eye(4)
        matrix[:3, 0] = self.along_row * self.spacing[1]
        matrix[:3, 1] = self.along_column * self.spacing[0]
        matrix[:3, 2] = self.normal * (self.thickness or 1.0) if step is None else step
        matrix[:3, 3] = self.position
        return matrix


def placement_of(ds: Dataset, frame: int = 0) -> Placement | None:
    """Of a slice, or of a frame of an enhanced image; None where the file does not place it."""
    orientation = _numbers(_source(ds, frame, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    position = _numbers(_source(ds, frame, "PlanePositionSequence"), "ImagePositionPatient", 3)
    spacing = pixel_spacing(ds, frame)
    if orientation is None or position is None or spacing is None:
        return None
    along_row, along_column = orientation[:3], orientation[3:]
    if abs(np.linalg.norm(np.cross(along_row, along_column)) - 1) > 0.05:
        return None
    return Placement(along_row, along_column, position, spacing, thickness_of(ds, frame))


def thickness_of(ds: Dataset, frame: int = 0) -> float:
    """In mm; 0 where the file does not say."""
    value = number(_source(ds, frame, "PixelMeasuresSequence"), "SliceThickness", 0.0)
    return value if math.isfinite(value) and value > 0 else 0.0


def pixel_spacing(ds: Dataset, frame: int = 0) -> tuple[float, float] | None:
    """(row_mm, col_mm), at the detector for projections, or of the one calibrated region of an ultrasound."""
    measures = _source(ds, frame, "PixelMeasuresSequence")
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        values = _numbers(measures if keyword == "PixelSpacing" else ds, keyword, 2)
        if values is not None and (values > 0).all():
            return float(values[0]), float(values[1])
    return _ultrasound_spacing(ds)


def stored_sides(ds: Dataset) -> tuple[str, str] | None:
    """Where the (left, top) of the stored matrix lie in the patient, of R L A P H F; None where unknown."""
    orientation = _numbers(_source(ds, 0, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    if orientation is not None and np.abs(orientation[:3]).max() > 0 and np.abs(orientation[3:]).max() > 0:
        return _behind(orientation[:3]), _behind(orientation[3:])
    words = ds.get("PatientOrientation") or []
    opposite = {"R": "L", "L": "R", "A": "P", "P": "A", "H": "F", "F": "H"}
    if isinstance(words, str) or len(words) != 2:
        return None
    letters = [str(word)[:1] for word in words]
    return (opposite[letters[0]], opposite[letters[1]]) if all(x in opposite for x in letters) else None


def native_plane(ds: Dataset) -> str:
    """ "axial", "coronal" or "sagittal" by the nearest axis; "image" where the file does not say."""
    orientation = _numbers(_source(ds, 0, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    if orientation is None:
        return "image"
    normal = np.abs(np.cross(orientation[:3], orientation[3:]))
    return ("sagittal", "coronal", "axial")[int(normal.argmax())] if normal.max() > 0 else "image"


def stack_order(placements: Sequence[Placement]) -> tuple[list[int], Vector]:
    """The order of slices along their normal and the step (mm) from one to the next. Raises UnevenStack."""
    first = placements[0]
    for other in placements:
        turned = max(
            np.abs(other.along_row - first.along_row).max(),
            np.abs(other.along_column - first.along_column).max(),
        )
        if turned > 0.02 or not np.allclose(other.spacing, first.spacing, rtol=1e-3):
            raise UnevenStack("its slices differ in direction or pixel size")
    heights = np.array([float(placement.position @ first.normal) for placement in placements])
    order = [int(index) for index in np.argsort(heights, kind="stable")]
    gaps = np.diff(heights[order])
    usual = float(np.median(gaps))
    if gaps.min() < 1e-3 or usual < 1e-3:
        raise UnevenStack("several of its slices lie at the same position, as in a series over time")
    if np.abs(gaps - usual).max() > max(_UNEVEN * usual, 0.02):
        raise UnevenStack(f"the distances of its slices differ ({gaps.min():.2f} to {gaps.max():.2f} mm)")
    step = (placements[order[-1]].position - placements[order[0]].position) / (len(order) - 1)
    return order, np.asarray(step, np.float64)


def frame_placements(ds: Dataset, frames: int) -> list[Placement] | None:
    """One placement a frame: of an enhanced image, or along the offsets of a dose grid."""
    if "PerFrameFunctionalGroupsSequence" in ds:
        found = [placement_of(ds, index) for index in range(frames)]
        return [item for item in found if item is not None] if None not in found else None
    first, offsets = placement_of(ds), _numbers(ds, "GridFrameOffsetVector", frames)
    if first is None or offsets is None:
        return None
    return [
        Placement(
            first.along_row,
            first.along_column,
            first.position + first.normal * (offset - offsets[0]),  # some files give heights, not offsets
            first.spacing,
            first.thickness,
        )
        for offset in offsets
    ]


def _source(ds: Dataset, frame: int, keyword: str) -> Any:
    return functional_group(ds, frame, keyword) or ds


def _numbers(source: Any, keyword: str, count: int) -> Vector | None:
    value = source.get(keyword)
    if value is None or isinstance(value, str | float | int) or len(value) != count:
        return None
    numbers = np.array([float(item) for item in value], np.float64)
    return numbers if np.isfinite(numbers).all() else None


def _behind(direction: Vector) -> str:
    axis = int(np.abs(direction).argmax())
    return _LETTERS[axis][1 if direction[axis] > 0 else 0]


def _ultrasound_spacing(ds: Dataset) -> tuple[float, float] | None:
    regions = ds.get("SequenceOfUltrasoundRegions") or []
    if len(regions) != 1:
        return None
    region = regions[0]
    if {region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")} != {_CENTIMETRE}:
        return None
    x, y = number(region, "PhysicalDeltaX", 0.0), number(region, "PhysicalDeltaY", 0.0)
    return (abs(y) * 10, abs(x) * 10) if x and y else None
