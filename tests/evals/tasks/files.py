"""Files in the benchmarks' own formats: drawn pictures, DICOM, NIfTI, CSV and JSON, with nobody's data."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

Rows = Sequence[Sequence[object]]


def picture(seed: int, width: int = 96, height: int = 80) -> Image.Image:
    """A gray picture of smooth blobs, different for each seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = sum(
        np.sin(x * rng.uniform(0.02, 0.2) + y * rng.uniform(0.02, 0.2) + rng.uniform(0, 6)) for _ in range(4)
    )
    return Image.fromarray((127 + 30 * waves).clip(0, 255).astype(np.uint8))


def save_picture(path: Path, seed: int, width: int = 96, height: int = 80) -> None:
    """A picture of that size; large ones are coarse, because packing them takes long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = picture(seed, min(width, 128), min(height, 128))
    coarse.resize((width, height), Image.Resampling.NEAREST).save(path)


def png_bytes(seed: int) -> bytes:
    stream = BytesIO()
    picture(seed).save(stream, "PNG")
    return stream.getvalue()


def save_dicom(path: Path, seed: int, width: int = 96, height: int = 80) -> None:
    """A secondary capture of 8 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    made.Modality, made.PhotometricInterpretation, made.SamplesPerPixel = "DX", "MONOCHROME2", 1
    made.Rows, made.Columns, made.BitsAllocated, made.BitsStored, made.HighBit = height, width, 8, 8, 7
    made.PixelRepresentation = 0
    made.PixelData = np.asarray(picture(seed, width, height)).tobytes()
    pydicom.dcmwrite(path, made)


def save_volume(path: Path, array: np.ndarray[Any, Any], spacing: float = 2.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(array, np.diag([spacing, spacing, spacing, 1.0]))
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def ct_array(seed: int, shape: tuple[int, int, int] = (24, 20, 12)) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    return np.concatenate([
        np.full((shape[0], shape[1], 2), -1000), rng.integers(-900, 300, (shape[0], shape[1], shape[2] - 2))
    ], axis=2).astype(np.int16)  # fmt: skip


def save_csv(path: Path, header: Sequence[str], rows: Rows, delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)


def save_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
