"""The images of a benchmark: that they are there, how large they are without decoding them, and pictures that
lie inside a Parquet or TSV cell.

Knows no benchmark. An image is named by the record that asked for it, never by its own name, which may hold a
patient's number.
"""

from __future__ import annotations

import base64
import binascii
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from foveate.evals.contract.images import FileImage, MadeImage
from foveate.evals.tasks.records import Place
from foveate.tools.imaging.image import SourceImage

Size = tuple[int, int]


def image_file(place: Place, path: Path, slice_index: int | None = None) -> FileImage:
    """The file (or series folder) as an image of a question. Raises DataFault when it is not there."""
    if not path.exists():
        raise place.fault("the image that the record names is not there", "it under the task's data folder")
    return FileImage(path, slice_index)


def found_file(place: Place, *paths: Path) -> Path:
    """The first of these that is there. Raises DataFault."""
    for path in paths:
        if path.exists():
            return path
    raise place.fault("the image that the record names is not there", "it under the task's data folder")


def file_size(place: Place, path: Path) -> Size:
    """(width, height) of a picture or a DICOM file from its header alone. Raises DataFault."""
    try:
        with Image.open(path) as picture:
            return picture.size
    except UnidentifiedImageError:
        return _dicom_size(place, path)
    except (OSError, Image.DecompressionBombError):
        raise place.fault("its image cannot be read", "a complete image file") from None


def _dicom_size(place: Place, path: Path) -> Size:
    import pydicom

    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns"], force=True)
        return int(header.Columns), int(header.Rows)
    except Exception:  # pydicom raises whatever it meets; its text may hold a value of the file
        raise place.fault("its image cannot be read", "a picture or a DICOM file") from None


def same_size(place: Place, path: Path, told: Size) -> None:
    """Raises DataFault for a file that is not of the size its record tells: its boxes would be wrong."""
    found = file_size(place, path)
    if found != told:
        raise place.fault(
            f"its image has {found[0]} x {found[1]} pixels",
            f"the original of {told[0]} x {told[1]}, as the record says",
        )


def bytes_image(place: Place, data: bytes) -> MadeImage:
    """A picture given as the bytes of a PNG, JPEG or other image file. Raises DataFault when it is none."""
    bytes_size(place, data)
    return MadeImage(sha256(data).hexdigest(), partial(decoded, data))


def bytes_size(place: Place, data: bytes) -> Size:
    try:
        with Image.open(BytesIO(data)) as picture:
            return picture.size
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        raise place.fault("its image cannot be read", "the bytes of an image file") from None


def base64_bytes(place: Place, text: str) -> bytes:
    """The bytes behind a base64 text, with or without a data-URL prefix. Raises DataFault."""
    try:
        return base64.b64decode(text.strip().rpartition(",")[2], validate=True)
    except binascii.Error:
        raise place.fault("its image is no base64 text", "an image file in base64") from None


def picture_source(picture: Image.Image, name: str = "picture") -> SourceImage:
    """An RGB or gray picture as an opened image, pixels unchanged."""
    mode = "L" if picture.mode in ("L", "1") else "RGB"
    return SourceImage(np.asarray(picture.convert(mode))[None].copy(), name=name)


def decoded(data: bytes) -> SourceImage:
    """The picture in an image file's bytes."""
    with Image.open(BytesIO(data)) as picture:
        return picture_source(picture)
