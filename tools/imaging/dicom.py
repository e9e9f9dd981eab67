"""One DICOM file: a single image keeps its stored matrix, an evenly spaced multi-frame becomes a volume.

A cine or any multi-frame that is no volume is a stack of frames as stored. For folders see ``series.py``.
"""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from foveate.tools.imaging.canonical import ViewingConvention, canonical_volume
from foveate.tools.imaging.dicom_file import patient_of, read_dicom
from foveate.tools.imaging.dicom_geometry import (
    Placement,
    UnevenStack,
    frame_placements,
    native_plane,
    pixel_spacing,
    placement_of,
    stack_order,
    stored_sides,
    thickness_of,
)
from foveate.tools.imaging.dicom_pixels import Decoded, decode
from foveate.tools.imaging.errors import Limits
from foveate.tools.imaging.image import Convention, SourceImage


def load_dicom(data: bytes, name: str, limits: Limits, convention: ViewingConvention) -> SourceImage:
    """The image of one DICOM file's bytes. Raises ImageError; pydicom's errors for damaged pixels."""
    ds = read_dicom(data, name, limits)
    decoded = decode(ds)
    frames = len(decoded.values)
    placements = frame_placements(ds, frames) if frames > 1 else None
    if placements is not None:
        try:
            return _of_patient(volume_of(decoded, placements, convention), ds)
        except UnevenStack as reason:
            decoded.notes.append(f"shown frame by frame: {reason}")
    return _as_stored(ds, decoded)


def volume_of(decoded: Decoded, placements: list[Placement], convention: ViewingConvention) -> SourceImage:
    """A canonical volume of placed slices in any order. Raises UnevenStack."""
    order, step = stack_order(placements)
    array = np.moveaxis(decoded.values[order], (2, 1, 0), (0, 1, 2))
    image = canonical_volume(array, placements[order[0]].affine(step), convention, decoded.notes)
    return _named(image, decoded)


def stack_of(ds: Dataset, decoded: Decoded) -> SourceImage:
    """Slices or frames as stored, with what the data set says of all of them."""
    return _as_stored(ds, decoded)


def _as_stored(ds: Dataset, decoded: Decoded) -> SourceImage:
    spacing, placement, sides = pixel_spacing(ds), placement_of(ds), stored_sides(ds)
    plane = native_plane(ds)
    if spacing is not None and "PixelSpacing" not in ds and "ImagerPixelSpacing" in ds:
        decoded.notes.append("millimetres are those at the detector, not in the patient")
    image = SourceImage(
        pixels=decoded.values,
        spacing_mm=None if spacing is None else (thickness_of(ds), *spacing),
        affine=placement.affine() if placement is not None and len(decoded.values) == 1 else None,
        convention=_seen_as(plane, sides),
        native_plane=plane,
        stored_sides=sides,
        patient_side_known=sides is not None,
        to_stored=np.eye(4),
        default_window=decoded.window,
        notes=decoded.notes,
    )
    return _of_patient(_named(image, decoded), ds)


def _of_patient(image: SourceImage, ds: Dataset) -> SourceImage:
    image.patient = patient_of(ds)
    return image


def _seen_as(plane: str, sides: tuple[str, str] | None) -> Convention:
    if sides is None or plane == "sagittal" or sides[0] not in "RL":
        return "as stored"
    return "radiological" if sides[0] == "R" else "neurological"


def _named(image: SourceImage, decoded: Decoded) -> SourceImage:
    image.modality, image.intensity_unit = decoded.modality, decoded.unit
    if decoded.window is not None:
        image.default_window = decoded.window
    return image
