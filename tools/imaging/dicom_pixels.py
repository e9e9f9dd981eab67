"""From a DICOM data set to intensities or colours: decoding, modality LUT, VOI LUT, palette, MONOCHROME1.

It does not know where the pixels lie in the patient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array

from foveate.tools.imaging.dicom_file import number
from foveate.tools.imaging.intensity import default_window, kept, scaled, without_padding
from foveate.tools.imaging.windows import Window

Pixels = npt.NDArray[Any]
_CODES = """CT MR US PT NM CR DX MG XA RF IO PX OT SC SEG OP OPT OCT SM GM ES XC RTDOSE RTIMAGE BMD IVUS"""
MODALITIES = frozenset(_CODES.split())
"""The codes that are passed on; any other value of the tag is not."""


@dataclass
class Decoded:
    """values: ``[frame, row, col]`` intensities or ``[frame, row, col, 3]`` uint8 colours."""

    values: Pixels
    modality: str | None
    window: Window | None
    unit: str | None = None
    notes: list[str] = field(default_factory=list)


def decode(ds: Dataset) -> Decoded:
    """All frames of a data set. Raises whatever pydicom raises when the data does not hold together."""
    modality = modality_of(ds)
    notes = _burned_in(ds)
    frames = max(1, int(number(ds, "NumberOfFrames", 1)))
    stored = pixel_array(ds, raw=False)
    photometric = str(ds.get("PhotometricInterpretation", "MONOCHROME2"))
    color = photometric == "PALETTE COLOR" or int(number(ds, "SamplesPerPixel", 1)) > 1
    if color:
        colors = apply_color_lut(stored, ds) if photometric == "PALETTE COLOR" else stored
        values = _eight_bits(colors, ds).reshape(frames, int(ds.Rows), int(ds.Columns), -1)[..., :3]
        return Decoded(values, modality, None, None, notes)
    stored = stored.reshape(frames, int(ds.Rows), int(ds.Columns))
    return _gray(stored, ds, modality, photometric, notes)


def modality_of(ds: Dataset) -> str | None:
    code = str(ds.get("Modality", "")).strip().upper()
    return code if code in MODALITIES else None


def functional_group(ds: Dataset, frame: int, keyword: str) -> Any | None:
    """The item of that functional group for a frame of an enhanced multi-frame image."""
    per_frame = ds.get("PerFrameFunctionalGroupsSequence") or []
    shared = ds.get("SharedFunctionalGroupsSequence") or []
    for group in [*per_frame[frame : frame + 1], *shared[:1]]:
        if group.get(keyword):
            return group.get(keyword)[0]
    return None


def _gray(stored: Pixels, ds: Dataset, modality: str | None, photometric: str, notes: list[str]) -> Decoded:
    values, ends = kept(_modality_values(stored, ds), notes), _modality_values(_stored_ends(stored, ds), ds)
    window = _file_window(ds)
    if window is None and ds.get("VOILUTSequence") and values.dtype.kind in "iu":
        values, ends, window = _voi_lut(values, ds), _voi_lut(kept(ends, []), ds), _voi_lut_window(ds)
        notes.append("the file's display lookup table was applied")
    if photometric == "MONOCHROME1":
        values, window = _inverted(values, float(ends.min()) + float(ends.max()), window)
        notes.append("stored with low values bright (MONOCHROME1): inverted")
    unit = _unit(ds, modality)
    if unit == "HU":
        values = without_padding(values, notes)
    return Decoded(values, modality, window or default_window(values, modality), unit, notes)


def _unit(ds: Dataset, modality: str | None) -> str | None:
    rescaled_to = str(ds.get("RescaleType", "HU")).strip().upper()
    return "HU" if modality == "CT" and rescaled_to in ("HU", "US", "") else None


def _stored_ends(stored: Pixels, ds: Dataset) -> Pixels:
    """The least and greatest value that can be stored: the same for all files of a series."""
    if stored.dtype.kind == "f":
        return np.array([[[stored.min(), stored.max()]]], stored.dtype)
    bits = min(int(number(ds, "BitsStored", 8)), 8 * stored.dtype.itemsize)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if stored.dtype.kind == "i" else (0, 2**bits - 1)
    return np.array([[[low, high]]], stored.dtype)


def _modality_values(stored: Pixels, ds: Dataset) -> Pixels:
    if ds.get("ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(stored, ds))
    if "PerFrameFunctionalGroupsSequence" not in ds and "SharedFunctionalGroupsSequence" not in ds:
        return scaled(stored, number(ds, "RescaleSlope", 1.0), number(ds, "RescaleIntercept", 0.0))
    frames = []
    for index, frame in enumerate(stored):
        source = functional_group(ds, index, "PixelValueTransformationSequence") or ds
        frames.append(
            scaled(frame, number(source, "RescaleSlope", 1.0), number(source, "RescaleIntercept", 0.0))
        )
    return np.stack(frames)


def _file_window(ds: Dataset) -> Window | None:
    source = functional_group(ds, 0, "FrameVOILUTSequence") or ds
    center, width = number(source, "WindowCenter", math.nan), number(source, "WindowWidth", math.nan)
    return Window(center, width) if math.isfinite(center) and math.isfinite(width) and width > 0 else None


def _voi_lut(values: Pixels, ds: Dataset) -> Pixels:
    return kept(np.asarray(apply_voi_lut(values, ds)), [])


def _voi_lut_window(ds: Dataset) -> Window:
    greatest = 2 ** int(ds.VOILUTSequence[0].LUTDescriptor[2]) - 1
    return Window(greatest / 2, greatest)


def _inverted(values: Pixels, ends: float, window: Window | None) -> tuple[Pixels, Window | None]:
    """Values and window mirrored about the middle of a range; ``ends`` is the sum of its ends."""
    whole = values.dtype.kind in "iu" and ends.is_integer()
    turned = int(ends) - values.astype(np.int32) if whole else np.float32(ends) - values.astype(np.float32)
    return kept(turned, []), None if window is None else Window(ends - window.center, window.width)


def _eight_bits(colors: Pixels, ds: Dataset) -> Pixels:
    if colors.dtype == np.uint8:
        return colors
    bits = colors.dtype.itemsize * 8 if "RedPaletteColorLookupTableData" in ds else int(ds.BitsStored)
    return (colors >> max(0, bits - 8)).astype(np.uint8)


def _burned_in(ds: Dataset) -> list[str]:
    if str(ds.get("BurnedInAnnotation", "")).strip().upper() == "YES":
        return ["the file says that text (perhaps identifying) is part of its pixels"]
    return []
