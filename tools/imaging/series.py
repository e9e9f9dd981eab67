"""A DICOM series: a folder, or a list of files, in any order and with any names.

Several series in one place are an error that lists them by number, size and kind: their identifiers and
descriptions are not shown.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from foveate.tools.imaging.canonical import ViewingConvention
from foveate.tools.imaging.dicom import load_dicom, stack_of, volume_of
from foveate.tools.imaging.dicom_file import declared_sizes, number, patient_of, read_dicom
from foveate.tools.imaging.dicom_geometry import UnevenStack, placement_of
from foveate.tools.imaging.dicom_pixels import Decoded, decode, modality_of
from foveate.tools.imaging.errors import ImageError, Limits, damaged
from foveate.tools.imaging.image import SourceImage

_TAGS: list[Any] = [
    "SeriesInstanceUID",
    "InstanceNumber",
    "Modality",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "ImageOrientationPatient",
]
_LISTED = 8
Found = tuple[Path, Dataset, tuple[int, ...]]


def load_folder(folder: Path, name: str, limits: Limits, convention: ViewingConvention) -> SourceImage:
    """The one DICOM series somewhere below a folder. Raises ImageError."""
    paths = []
    for path in folder.rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            paths.append(path)
        if len(paths) > limits.max_files:
            raise ImageError(
                f"{name} holds more than {limits.max_files} files; give the folder of one DICOM series."
            )
    if not paths:
        raise ImageError(f"{name} is an empty folder; give an image file or a folder with one DICOM series.")
    return load_series(sorted(paths), name, limits, convention)


def load_series(paths: list[Path], name: str, limits: Limits, convention: ViewingConvention) -> SourceImage:
    """The volume (or stack) of the files of one series. Raises ImageError."""
    if len(paths) > limits.max_files:
        raise ImageError(f"{name} has more than {limits.max_files} files; give one DICOM series.")
    limits.check_bytes(name, sum(path.stat().st_size for path in paths))
    found = [header for header in map(_header, paths) if header is not None]
    if not found:
        raise ImageError(
            f"{name} holds no DICOM images; give an image file or a folder with one DICOM series."
        )
    series = _one_series(found, name)
    notes = _left_out(len(paths) - len(found))
    if len(series) == 1:
        image = load_dicom(series[0][0].read_bytes(), name, limits, convention)
        image.notes.extend(notes)
        return image
    limits.check_pixels(name, (*series[0][2], len(series)))
    return _joined(series, name, limits, convention, notes)


def _header(path: Path) -> Found | None:
    with path.open("rb") as stream:
        start = stream.read(132)
    if start[128:132] != b"DICM" and start[:2] not in (b"\x02\0", b"\x08\0", b"\0\x08"):
        return None
    try:
        ds = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=_TAGS)
        sizes = declared_sizes(ds)
    except Exception:
        return None  # counted among the files left out
    return None if sizes is None else (path, ds, sizes)


def _one_series(found: list[Found], name: str) -> list[Found]:
    groups: dict[tuple[Any, ...], list[Found]] = defaultdict(list)
    for item in found:
        groups[_key(item[1], item[2])].append(item)
    ranked = sorted(groups.values(), key=len, reverse=True)
    if len(ranked) == 1 and not (len(found) > 1 and _frames(found[0][1]) > 1):
        return ranked[0]
    if len(ranked) == 1:
        raise ImageError(f"{name} holds {len(found)} multi-frame images; open one of the files.")
    lines = [f"series {index}: {_told(group)}" for index, group in enumerate(ranked[:_LISTED], 1)]
    more = [f"and {len(ranked) - _LISTED} more"] if len(ranked) > _LISTED else []
    raise ImageError(
        f"{name} holds {len(ranked)} series ({'; '.join([*lines, *more])}); give the files of one of them."
    )


def _key(ds: Dataset, sizes: tuple[int, ...]) -> tuple[Any, ...]:
    orientation = ds.get("ImageOrientationPatient") or []
    return (
        str(ds.get("SeriesInstanceUID", "")),
        sizes,
        modality_of(ds),
        tuple(round(float(value), 1) + 0.0 for value in orientation),
    )


def _frames(ds: Dataset) -> int:
    return int(number(ds, "NumberOfFrames", 1))


def _told(group: list[Found]) -> str:
    _, ds, sizes = group[0]
    count = f"{len(group)} slice{'s' * (len(group) > 1)}"
    return f"{count} {sizes[0]}x{sizes[1]} {modality_of(ds) or 'of unknown kind'}"


def _left_out(count: int) -> list[str]:
    return [f"{count} files of the folder are no readable DICOM images and were left out"] if count else []


def _joined(
    series: list[Found], name: str, limits: Limits, convention: ViewingConvention, notes: list[str]
) -> SourceImage:
    series = sorted(series, key=lambda item: number(item[1], "InstanceNumber", 0.0))
    sets, slices = [], []
    for index, (path, _, _) in enumerate(series, 1):
        ds, decoded = _slice(path, f"Slice file {index} of {len(series)} in {name}", limits)
        sets.append(ds)
        slices.append(decoded)
        notes.extend(decoded.notes)
    first = slices[0]
    values = np.concatenate([decoded.values for decoded in slices])
    whole = Decoded(values, first.modality, first.window, first.unit, list(dict.fromkeys(notes)))
    placements = [placement_of(ds) for ds in sets]
    if None in placements:
        whole.notes.append("the files do not place their slices: ordered by instance number, sides as stored")
        return stack_of(sets[0], whole)
    try:
        volume = volume_of(whole, [item for item in placements if item is not None], convention)
    except UnevenStack as reason:
        raise ImageError(f"{name} makes no volume: {reason}; complete it or open single files.") from None
    volume.patient = patient_of(sets[0])
    return volume


def _slice(path: Path, name: str, limits: Limits) -> tuple[Dataset, Decoded]:
    ds = read_dicom(path.read_bytes(), name, limits)
    try:
        decoded = decode(ds)
    except Exception:
        raise damaged(name, "DICOM") from None
    for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
        if keyword in ds:  # decoded; a thousand slices need not be kept twice
            del ds[keyword]
    return ds, decoded
