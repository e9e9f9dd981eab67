"""The files that pocket-c and pocket-nodule read, in their own formats and places, with made-up content."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from foveate.evals.tasks.pocket_c import CLASS_MAP, LABELS, SERIES
from foveate.evals.tasks.pocket_nodule import BASE, CT, SCAN
from foveate.tools.imaging.canonical import LPS_TO_RAS

from .bodies import SPACING, arrays

PARTS = {1: "spleen", 2: "kidney_right", 3: "kidney_left", 5: "liver", 52: "aorta", 31: "vertebrae_L1"}
NUMBERS = {1: 5, 2: 1, 3: 3, 4: 2, 5: 52, 6: 31}
"""The body's label → TotalSegmentator's."""


def write_pocket_c(root: Path) -> None:
    values, labels = arrays()
    series = root / SERIES
    series.mkdir(parents=True)
    uid, study = generate_uid(), generate_uid()
    for index, plane in enumerate(values):
        _slice(series / f"{(index * 7) % 32:02d}.dcm", plane, index, uid, study)
    affine = LPS_TO_RAS @ np.diag([SPACING[2], SPACING[1], SPACING[0], 1.0])
    table = np.zeros(7, np.uint8)
    for own, told in NUMBERS.items():
        table[own] = told
    nib.save(nib.Nifti1Image(table[labels].transpose(2, 1, 0), affine), root / LABELS)
    (root / CLASS_MAP).parent.mkdir(parents=True)
    (root / CLASS_MAP).write_text(f'class_map = {{"total": {PARTS!r}}}\n')


def _slice(path: Path, plane: np.ndarray, index: int, uid: str, study: str) -> None:  # type: ignore[type-arg]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    made.SeriesInstanceUID, made.StudyInstanceUID, made.Modality = uid, study, "CT"
    made.Rows, made.Columns = plane.shape
    made.PixelSpacing, made.SliceThickness = [SPACING[1], SPACING[2]], SPACING[0]
    made.ImagePositionPatient = [0.0, 0.0, index * SPACING[0]]
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 1
    made.RescaleSlope, made.RescaleIntercept, made.InstanceNumber = 1, 0, index + 1
    made.PixelData = plane.astype(np.int16).tobytes()
    pydicom.dcmwrite(path, made)


def write_pocket_nodule(root: Path) -> None:
    """Four readers on slice 3, two on 4, one on 5; a contour of another scan, and an excluded one."""
    array = np.random.default_rng(0).integers(-1000, 200, (40, 30, 8)).astype(np.int16)
    affine = np.diag([-2.0, -2.0, 4.0, 1.0])
    affine[:3, 3] = (10, 20, -100)
    (root / CT).parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(array, affine), root / CT)
    (root / BASE).parent.mkdir(parents=True)
    with sqlite3.connect(root / BASE) as base:
        base.execute("create table scans (id integer primary key, patient_id text)")
        base.execute("create table annotations (id integer primary key, scan_id integer)")
        base.execute(
            "create table contours (id integer primary key, annotation_id integer, inclusion integer,"
            " image_z_position real, coords text)"
        )
        base.executemany("insert into scans values (?, ?)", [(1, SCAN), (2, "another")])
        base.executemany("insert into annotations values (?, ?)", [(k, 1) for k in range(1, 5)] + [(9, 2)])
        rows = [(k, 1, 3, _square(10, 12, 5 + k)) for k in range(1, 5)]
        rows += [(1, 1, 4, _square(10, 12, 6)), (2, 1, 4, _square(11, 12, 6)), (1, 1, 5, _square(1, 1, 3))]
        rows += [(3, 0, 4, _square(0, 0, 20)), (9, 1, 4, _square(0, 0, 20))]
        base.executemany(
            "insert into contours (annotation_id, inclusion, image_z_position, coords) values (?, ?, ?, ?)",
            [(who, inside, -100 + 4.0 * index, coords) for who, inside, index, coords in rows],
        )


def _square(x: int, y: int, side: int) -> str:
    points = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
    return "\n".join(f"{a},{b},0" for a, b in points)
