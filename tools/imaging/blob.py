"""The stored form of an image: one header line of JSON, then the raw pixels.

It holds pixels and geometry only: no file name, no tag of the file that was read. The id of an image is the
SHA-256 of this form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.windows import Window

MAGIC = b"foveate-image-1 "


def blob_parts(image: SourceImage) -> Iterator[bytes | memoryview]:
    """The stored form in parts, so that a large volume is not copied to be hashed or written."""
    yield MAGIC + json.dumps(_header(image), sort_keys=True, separators=(",", ":")).encode() + b"\n"
    yield image.pixels.reshape(-1).view(np.uint8).data


def image_from_blob(data: bytes) -> SourceImage:
    """The image of a stored form; its pixels are read-only. Raises ValueError when the form is broken."""
    end = data.find(b"\n")
    if not data.startswith(MAGIC) or end < 0:
        raise ValueError("This is not a stored image.")
    header = json.loads(data[len(MAGIC) : end])
    dtype = np.dtype(header.pop("dtype")).newbyteorder("<")
    pixels = np.frombuffer(data, dtype, offset=end + 1).reshape(header.pop("shape"))
    for key in ("affine", "to_stored"):
        header[key] = None if header[key] is None else np.array(header[key], np.float64)
    for key in ("spacing_mm", "stored_sides"):
        header[key] = None if header[key] is None else tuple(header[key])
    window = header.pop("default_window")
    return SourceImage(pixels=pixels, default_window=Window(**window) if window else None, **header)


def _header(image: SourceImage) -> dict[str, Any]:
    window = image.default_window
    return {
        "dtype": str(image.pixels.dtype),
        "shape": list(image.pixels.shape),
        "spacing_mm": None if image.spacing_mm is None else [float(value) for value in image.spacing_mm],
        "affine": _rows(image.affine),
        "to_stored": _rows(image.to_stored),
        "modality": image.modality,
        "intensity_unit": image.intensity_unit,
        "default_window": None if window is None else asdict(window),
        "convention": image.convention,
        "volume": image.volume,
        "native_plane": image.native_plane,
        "stored_orientation": image.stored_orientation,
        "patient_side_known": image.patient_side_known,
        "stored_sides": None if image.stored_sides is None else list(image.stored_sides),
        "notes": list(image.notes),
    }


def _rows(matrix: npt.NDArray[np.float64] | None) -> list[list[float]] | None:
    return None if matrix is None else [[float(value) for value in row] for row in matrix]
