"""Files of every kind, made at test time, with a planted patient in every place a file has for one."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import settings
from PIL import Image, PngImagePlugin
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

# a busy machine is no reason to fail a law
settings.register_profile("laws", deadline=None)
settings.load_profile("laws")

PLANTED = ("Doe^Jane", "ID-777-SECRET", "19700102", "St Elsewhere", "ACC4711", "planted description")
MakeDicom = Callable[..., bytes]


def dicom_dataset(array: np.ndarray[Any, Any], **tags: Any) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = PLANTED[:3]
    ds.InstitutionName, ds.AccessionNumber, ds.SeriesDescription = PLANTED[3:]
    ds.Modality = "CT"
    color = array.ndim > 2 and array.shape[-1] == 3 and array.dtype == np.uint8
    ds.Rows, ds.Columns = array.shape[-3:-1] if color else array.shape[-2:]
    if array.ndim - color == 3:
        ds.NumberOfFrames = array.shape[0]
    ds.SamplesPerPixel = 3 if color else 1
    ds.PhotometricInterpretation = "RGB" if color else "MONOCHROME2"
    if color:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = ds.BitsStored = array.dtype.itemsize * 8
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(array.dtype.kind == "i")
    ds.PixelData = array.tobytes()
    for keyword, value in tags.items():
        setattr(ds, keyword, value)
    return ds


def dicom_bytes(array: np.ndarray[Any, Any], **tags: Any) -> bytes:
    """One file. A tag given as keyword=value replaces what is there."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dicom_dataset(array, **tags).save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def axial(z: float, **tags: Any) -> dict[str, Any]:
    """Tags that place an axial slice at that height, 0.5 x 0.8 mm pixels (rows 0.8)."""
    return {
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [-10, -20, z],
        "PixelSpacing": [0.8, 0.5],
        "SliceThickness": 3,
        **tags,
    }


def nifti_bytes(array: np.ndarray[Any, Any], affine: np.ndarray[Any, Any] | None, **header: Any) -> bytes:
    image = nib.Nifti1Image(array, affine)
    for key, value in {
        "descrip": PLANTED[0],
        "db_name": PLANTED[1],
        "aux_file": PLANTED[0],
        **header,
    }.items():
        image.header[key] = value
    return bytes(image.to_bytes())


def png_bytes(picture: Image.Image) -> bytes:
    buffer, info = io.BytesIO(), PngImagePlugin.PngInfo()
    info.add_text("Patient", PLANTED[0])
    picture.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def nrrd_text(sizes: str, extra: str, data: bytes, encoding: str = "raw", kind: str = "int16") -> bytes:
    head = f"NRRD0004\ntype: {kind}\ndimension: {len(sizes.split())}\nsizes: {sizes}\nendian: little\n"
    return (head + f"encoding: {encoding}\n{extra}patient:={PLANTED[0]}\n\n").encode() + data


@pytest.fixture(scope="session")
def make_dicom() -> MakeDicom:
    return dicom_bytes


@pytest.fixture(scope="session")
def build() -> Any:
    """The builders of this module, for tests that cannot import it."""
    import types

    return types.SimpleNamespace(
        dicom=dicom_bytes,
        dataset=dicom_dataset,
        axial=axial,
        nifti=nifti_bytes,
        png=png_bytes,
        nrrd=nrrd_text,
    )


@pytest.fixture(scope="session")
def planted() -> tuple[str, ...]:
    return PLANTED


@pytest.fixture
def bundled() -> Callable[[str], str]:
    """The path of one of pydicom's own test files; no download."""

    def path(name: str) -> str:
        found = get_testdata_file(name, download=False)
        assert found is not None, f"pydicom no longer ships {name}"
        return str(found)

    return path
