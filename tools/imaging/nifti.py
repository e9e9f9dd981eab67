"""NIfTI-1 and NIfTI-2 volumes (.nii, .nii.gz), read with nibabel.

Header texts (description, names) are never read. NIfTI does not name the modality: whole numbers that
spread as Hounsfield units do are taken for CT, and a note says so.
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt

from foveate.tools.imaging.canonical import LPS_TO_RAS, ViewingConvention, canonical_volume
from foveate.tools.imaging.errors import ImageError, Limits, damaged
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.intensity import (
    default_window,
    kept,
    looks_like_hounsfield,
    scaled,
    without_padding,
)

_MAX_HEADER = 2**24
_ORDERS: tuple[Literal["little"], Literal["big"]] = ("little", "big")


def load_nifti(
    path: Path, start: bytes, name: str, limits: Limits, convention: ViewingConvention
) -> SourceImage:
    """A canonical volume, or a stack as stored when the file does not place it. Raises ImageError.

    start: the first 540 bytes of the (unpacked) file, by which it was known to be NIfTI.
    """
    file: Any
    if _data_offset(start) > _MAX_HEADER:
        raise damaged(name, "NIfTI")
    kind = nib.Nifti2Image if start[4:7] == b"n+2" else nib.Nifti1Image
    opener = gzip.open if is_gzip(path) else open
    with opener(path, "rb") as stream:
        try:
            file = kind.from_stream(stream)
            shape = tuple(int(size) for size in file.shape)
        except Exception:
            raise damaged(name, "NIfTI") from None
        shape = _checked_shape(file, shape, name, limits)
        try:
            raw = np.asarray(file.dataobj.get_unscaled()).reshape(shape, order="F")
        except Exception:
            raise damaged(name, "NIfTI") from None
    notes: list[str] = []
    values = volume_values(raw, float(file.dataobj.slope), float(file.dataobj.inter), name, notes)
    return placed(values, _affine_lps(file), _zooms(file), name, convention, notes)


def is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _data_offset(start: bytes) -> float:
    """Where the pixels begin; what lies between is read whole, so it must be bounded."""
    if start[4:7] == b"n+2":
        return float(min(int.from_bytes(start[168:176], order, signed=True) for order in _ORDERS))
    offsets = [struct.unpack_from(order + "f", start, 108)[0] for order in "<>"]
    return float(min((value for value in offsets if 0 <= value < 1e12 and value == value), default=np.inf))


def _checked_shape(file: Any, shape: tuple[int, ...], name: str, limits: Limits) -> tuple[int, int, int]:
    color = file.get_data_dtype().fields is not None
    limits.check_pixels(name, (*shape, 3) if color else shape or (0,))
    if file.get_data_dtype().kind == "c":
        raise ImageError(f"{name} holds complex numbers; save their magnitude and open that.")
    return _three_dimensions(shape, name)


def _three_dimensions(shape: tuple[int, ...], name: str) -> tuple[int, int, int]:
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > 3:
        text = "x".join(str(size) for size in shape)
        raise ImageError(f"{name} has {len(shape)} dimensions ({text}); save one volume of it and open that.")
    i, j, k = (*shape, 1, 1)[:3]
    return i, j, k


def volume_values(
    raw: npt.NDArray[Any], slope: float, intercept: float, name: str, notes: list[str]
) -> npt.NDArray[Any]:
    """Intensities of stored values ``[i, j, k]``, or colours ``[i, j, k, 3]``. Raises ImageError."""
    if raw.dtype.fields:
        return np.stack([np.asarray(raw[channel]) for channel in ("R", "G", "B")], axis=-1)
    try:
        return kept(scaled(raw, slope, intercept), notes)
    except ValueError:
        raise ImageError(f"{name} holds no finite intensity; export it again.") from None


def placed(
    values: npt.NDArray[Any],
    affine_lps: npt.NDArray[np.float64] | None,
    zooms: tuple[float, float, float] | None,
    name: str,
    convention: ViewingConvention,
    notes: list[str],
) -> SourceImage:
    """The image of ``values[i, j, k]``: canonical with an affine, a stack as stored without one."""
    is_ct = values.ndim == 3 and looks_like_hounsfield(values)
    if is_ct:
        notes.append("the intensities spread as Hounsfield units do: taken for CT")
        values = without_padding(values, notes)
    if affine_lps is None:
        notes.append("the file does not say how it lies in the patient: shown as stored, sides unknown")
        pixels = np.moveaxis(values, (2, 1, 0), (0, 1, 2))
        spacing = None if zooms is None else (zooms[2], zooms[1], zooms[0])
        image = SourceImage(pixels=pixels, spacing_mm=spacing, notes=notes)
    else:
        try:
            image = canonical_volume(values, affine_lps, convention, notes)
        except ValueError:
            raise ImageError(
                f"{name} has an orientation that does not span space; export it again."
            ) from None
    if is_ct:
        image.modality, image.intensity_unit = "CT", "HU"
    if not image.color:
        image.default_window = default_window(image.pixels, image.modality)
    return image


def _affine_lps(file: Any) -> npt.NDArray[np.float64] | None:
    if int(file.header["sform_code"]) == 0 and int(file.header["qform_code"]) == 0:
        return None
    factor = _millimetres(file)
    ras = np.array(file.affine, np.float64)
    ras[:3] *= factor
    return LPS_TO_RAS @ ras


def _zooms(file: Any) -> tuple[float, float, float] | None:
    zooms = [float(size) * _millimetres(file) for size in file.header.get_zooms()[:3]]
    if len(zooms) < 3 or not all(np.isfinite(zooms)) or min(zooms) <= 0:
        return None
    return zooms[0], zooms[1], zooms[2]


def _millimetres(file: Any) -> float:
    return {"meter": 1000.0, "micron": 0.001}.get(file.header.get_xyzt_units()[0], 1.0)
