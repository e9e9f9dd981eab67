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
    values = kept(_modality_values(stored, ds), notes)
    window = _file_window(ds)
    if window is None and ds.get("VOILUTSequence") and values.dtype.kind in "iu":
        values, window = _through_voi_lut(values, ds)
        notes.append("the file's display lookup table was applied")
    if photometric == "MONOCHROME1":
        values, window = _inverted(values, window)
        notes.append("stored with low values bright (MONOCHROME1): inverted")
    unit = (
        "HU"
        if modality == "CT" and str(ds.get("RescaleType", "HU")).strip().upper() in ("HU", "US", "")
        else None
    )
    if unit == "HU":
        values = without_padding(values, notes)
    return Decoded(values, modality, window or default_window(values, modality), unit, notes)


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


def _through_voi_lut(values: Pixels, ds: Dataset) -> tuple[Pixels, Window]:
    shown = kept(np.asarray(apply_voi_lut(values, ds)), [])
    bits = int(ds.VOILUTSequence[0].LUTDescriptor[2])
    return shown, Window((2**bits - 1) / 2, 2**bits - 1)


def _inverted(values: Pixels, window: Window | None) -> tuple[Pixels, Window | None]:
    low, high = values.min(), values.max()
    turned = values.dtype.type(high) - values + values.dtype.type(low) if values.dtype == np.float32 else None
    if turned is None:
        turned = kept(int(low) + int(high) - values.astype(np.int32), [])
    return turned, None if window is None else Window(float(low) + float(high) - window.center, window.width)


def _eight_bits(colors: Pixels, ds: Dataset) -> Pixels:
    if colors.dtype == np.uint8:
        return colors
    bits = colors.dtype.itemsize * 8 if "RedPaletteColorLookupTableData" in ds else int(ds.BitsStored)
    return (colors >> max(0, bits - 8)).astype(np.uint8)


def _burned_in(ds: Dataset) -> list[str]:
    if str(ds.get("BurnedInAnnotation", "")).strip().upper() == "YES":
        return ["the file says that text (perhaps identifying) is part of its pixels"]
    return []
