"""NRRD volumes with their data in the same file, header read with pynrrd.

The data is unpacked here, never beyond the declared size. Detached data files are refused: a header must not
name other files to be read. Key-value pairs of the header (where identifiers may be) are not looked at.
"""

from __future__ import annotations

import bz2
import io
import zlib
from typing import Any

import nrrd
import numpy as np
import numpy.typing as npt

from foveate.tools.imaging.canonical import LPS_TO_RAS, ViewingConvention
from foveate.tools.imaging.errors import ImageError, Limits, damaged
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.nifti import placed, volume_values

_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_CODES = {name: code for code, names in _TYPES.items() for name in names}
_SPACES = {
    "left-posterior-superior": np.eye(4),
    "lps": np.eye(4),
    "right-anterior-superior": LPS_TO_RAS,
    "ras": LPS_TO_RAS,
    "left-anterior-superior": np.diag([1.0, -1.0, 1.0, 1.0]),
    "las": np.diag([1.0, -1.0, 1.0, 1.0]),
}
Array = npt.NDArray[Any]


def load_nrrd(data: bytes, name: str, limits: Limits, convention: ViewingConvention) -> SourceImage:
    """A canonical volume, or a stack as stored when the file does not place it. Raises ImageError."""
    stream = io.BytesIO(data)
    try:
        header: dict[str, Any] = {str(key).lower(): value for key, value in nrrd.read_header(stream).items()}
        sizes = tuple(int(size) for size in header["sizes"])
    except Exception:
        raise damaged(name, "NRRD") from None
    if "data file" in header or "datafile" in header:
        raise ImageError(f"{name} keeps its pixels in another file; save it as one .nrrd file and open that.")
    limits.check_pixels(name, sizes or (0,))
    try:
        flat = _values(header, stream.read(), sizes)
    except Exception:
        raise damaged(name, "NRRD") from None
    return _image(flat, sizes, header, name, convention)


def _values(header: dict[str, Any], packed: bytes, sizes: tuple[int, ...]) -> Array:
    """The flat values; raises ValueError and the like when they do not fill the declared sizes."""
    order = ">" if header.get("endian") == "big" else "<"
    dtype = np.dtype(order + _CODES[header["type"]])
    count = int(np.prod(sizes))
    if header["encoding"] in ("ascii", "text", "txt"):
        values = np.array(packed.split(maxsplit=count)[:count], dtype=np.float64)
        flat = values.astype(dtype)
    else:
        skip = int(header.get("byte skip", header.get("byteskip", 0)))
        if int(header.get("line skip", header.get("lineskip", 0))) or skip < -1:
            raise ValueError("skipped lines")
        need = count * dtype.itemsize
        raw = _unpack(header["encoding"], packed, need + max(skip, 0))
        raw = raw[-need:] if skip == -1 else raw[skip : skip + need]
        flat = np.frombuffer(raw, dtype)
    if flat.size != count:
        raise ValueError("too few values")
    return flat


def _unpack(encoding: str, packed: bytes, need: int) -> bytes:
    if encoding == "raw":
        return packed
    if encoding in ("gzip", "gz"):
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed, need)
    if encoding in ("bzip2", "bz2"):
        return bz2.BZ2Decompressor().decompress(packed, need)
    raise ValueError("unknown encoding")


def _image(
    flat: Array, sizes: tuple[int, ...], header: dict[str, Any], name: str, convention: ViewingConvention
) -> SourceImage:
    array = flat.reshape(sizes, order="F")
    color = (
        len(sizes) in (3, 4) and sizes[0] in (3, 4) and array.dtype == np.uint8 and _first_is_color(header)
    )
    if color:
        array = np.moveaxis(array[:3], 0, -1)
    if array.ndim - color > 3:
        text = "x".join(str(size) for size in sizes)
        raise ImageError(f"{name} has {len(sizes)} dimensions ({text}); save one volume of it and open that.")
    missing = 3 - (array.ndim - color)
    array = array.reshape(
        (*array.shape[: array.ndim - color], *([1] * missing), *array.shape[array.ndim - color :])
    )
    notes: list[str] = []
    values = array if color else volume_values(array, 1.0, 0.0, name, notes)
    return placed(values, _affine(header), _spacings(header), name, convention, notes)


def _first_is_color(header: dict[str, Any]) -> bool:
    kinds = [str(kind).lower() for kind in header.get("kinds", [])]
    return bool(kinds) and ("color" in kinds[0] or kinds[0] in ("vector", "list"))


def _affine(header: dict[str, Any]) -> npt.NDArray[np.float64] | None:
    space = _SPACES.get(str(header.get("space", "")).lower())
    directions = header.get("space directions")
    if space is None or directions is None:
        return None
    rows = [np.asarray(row, np.float64) for row in directions if row is not None]
    rows = [row for row in rows if row.shape == (3,) and np.isfinite(row).all()]
    if len(rows) != 3:
        return None
    affine = np.eye(4)
    affine[:3, :3] = np.stack(rows, axis=1)
    affine[:3, 3] = np.asarray(header.get("space origin", (0.0, 0.0, 0.0)), np.float64)
    return np.asarray(space @ affine, np.float64)


def _spacings(header: dict[str, Any]) -> tuple[float, float, float] | None:
    spacings = [float(value) for value in header.get("spacings", [])]
    spacings = [value for value in spacings if np.isfinite(value) and value > 0]
    return (spacings[0], spacings[1], spacings[2]) if len(spacings) == 3 else None
