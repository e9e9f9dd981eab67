"""A DICOM file as a checked data set: is there an image, how large does it say it is, can it be decoded.

Only tags of the image itself are ever asked for; names, dates, identifiers and free texts are not. One
exception: the patient's identifier is asked for to be digested at once, under a key that is drawn when the
process starts and never leaves it, so that two images of different patients are not compared.
"""

from __future__ import annotations

import hmac
import io
import secrets
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
)

from foveate.tools.imaging.errors import ImageError, Limits, damaged

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_NOT_SIZES = (0xC4, 0xC8, 0xCC)  # of the JPEG markers C0..CF, those that do not start a frame
_CHUNK = 1 << 20
_KEY = secrets.token_bytes(32)
_NOBODY = frozenset(("", "0", "1", "ANON", "ANONYMOUS", "ANONYMIZED", "ANONYMISED", "NONE", "UNKNOWN"))


def read_dicom(data: bytes, name: str, limits: Limits) -> Dataset:
    """The data set of a file that holds an image of an allowed size. Raises ImageError."""
    try:
        _check_deflated(data, name, limits)
        ds = pydicom.dcmread(io.BytesIO(data), force=True)
        _name_syntax(ds)
        sizes = declared_sizes(ds)
        has_pixels = any(key in ds for key in _PIXELS)
    except ImageError:
        raise
    except Exception:
        raise damaged(name, "DICOM") from None
    if sizes is None:
        raise ImageError(
            f"{name} is DICOM without an image (a report, contours, an index, or cut short); give an image."
        )
    limits.check_pixels(name, sizes)
    if not has_pixels:
        raise damaged(name, "DICOM")
    _check_decoder(ds, name)
    _check_frames(ds, name)
    return ds


def declared_sizes(ds: Dataset) -> tuple[int, ...] | None:
    """(columns, rows[, frames][, samples]) as the header says; None when it describes no image."""
    if "Rows" not in ds or "Columns" not in ds:
        return None
    frames, samples = number(ds, "NumberOfFrames", 1), number(ds, "SamplesPerPixel", 1)
    sizes = (int(ds.Columns), int(ds.Rows), int(frames), int(samples))
    return sizes[:2] + tuple(size for size in sizes[2:] if size != 1)


def number(ds: Any, keyword: str, default: float) -> float:
    """A numeric tag's first value, or the default where it is absent or empty."""
    value = ds.get(keyword)
    if value is None or value == "":
        return default
    return float(value[0]) if isinstance(value, list | tuple | pydicom.multival.MultiValue) else float(value)


def patient_of(ds: Dataset) -> bytes | None:
    """A digest of the patient's identifier that is worth nothing outside this process; None without one."""
    try:
        parts = [str(ds.get(tag) or "").strip().upper() for tag in ("PatientID", "IssuerOfPatientID")]
    except Exception:  # a broken element; its text may be in the error, so that is dropped
        return None
    if parts[0] in _NOBODY:
        return None
    return hmac.digest(_KEY, "\0".join(parts).encode("utf-8", "replace"), "sha256")


def _check_deflated(data: bytes, name: str, limits: Limits) -> None:
    # pydicom inflates without a bound, so the header is looked at first: its length stands in bytes 140..143
    start = 144 + int.from_bytes(data[140:144], "little")
    if data[128:132] != b"DICM" or DeflatedExplicitVRLittleEndian.encode() not in data[144:start]:
        return
    packed = data[start:]
    unpacker, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while packed and not unpacker.eof:
        total += len(unpacker.decompress(packed, _CHUNK))
        limits.check_bytes(name, total)
        packed = unpacker.unconsumed_tail


def _name_syntax(ds: Dataset) -> None:
    """Files without a header: how they were read is how they are encoded."""
    if not hasattr(ds, "file_meta"):
        ds.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" in ds.file_meta:
        return
    implicit, little = ds.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _check_decoder(ds: Dataset, name: str) -> None:
    uid = ds.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(uid)
    except NotImplementedError:
        raise ImageError(
            f"{name} is compressed in a way that is not known here; decompress it first."
        ) from None
    deep_jpeg = uid == JPEGExtended12Bit and int(number(ds, "BitsStored", 8)) > 8 and not find_spec("libjpeg")
    if not decoder.is_available or deep_jpeg:
        kind = "12-bit JPEG" if deep_jpeg else "JPEG-LS" if "JPEG-LS" in uid.name else "JPEG Lossless"
        raise ImageError(
            f"{name} is compressed as {kind}, for which no decoder is installed; "
            "install pylibjpeg-libjpeg (GPL-3) or decompress the file."
        )


def _check_frames(ds: Dataset, name: str) -> None:
    """Compressed frames say their own size; one that is larger than the header says is a bomb or a mix-up."""
    if not ds.file_meta.TransferSyntaxUID.is_encapsulated or "PixelData" not in ds:
        return
    try:
        frames = int(number(ds, "NumberOfFrames", 1))
        sizes = set(_codestream_sizes(generate_frames(ds.PixelData, number_of_frames=frames)))
    except Exception:
        raise damaged(name, "DICOM") from None
    if sizes - {(int(ds.Columns), int(ds.Rows))}:
        raise ImageError(
            f"{name} declares one image size and its compressed data another; export the file again."
        )


def _codestream_sizes(frames: Iterator[bytes]) -> Iterator[tuple[int, int]]:
    for frame in frames:
        size = codestream_size(frame)
        if size is not None:
            yield size


def codestream_size(frame: bytes) -> tuple[int, int] | None:
    """(width, height) that a JPEG, JPEG-LS or JPEG 2000 frame declares; None for other codings (RLE)."""
    start = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start >= 0 and not frame.startswith(b"\xff\xd8"):
        x1, y1, x0, y0 = (int.from_bytes(frame[at : at + 4], "big") for at in range(start + 8, start + 24, 4))
        return x1 - x0, y1 - y0
    return _jpeg_size(frame) if frame.startswith(b"\xff\xd8") else None


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in _NOT_SIZES) or marker == 0xF7:
            height, width = frame[at + 5 : at + 7], frame[at + 7 : at + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None
