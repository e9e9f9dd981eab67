"""A small labelled body made here, in memory and as files: boxes of tissue in a box of fat, no one's scan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from foveate.evals.tasks.labelled import LabelledVolume
from foveate.tools.imaging.canonical import LPS_TO_RAS, canonical_volume

NAMES = {1: "liver", 2: "spleen", 3: "kidney_left", 4: "kidney_right", 5: "aorta", 6: "vertebrae_L1"}
SPACING = (4.0, 2.0, 2.0)
Array = npt.NDArray[Any]

# label → (slices, rows, cols): slice towards the head, row towards the back, col towards the patient's left
PARTS = {
    1: (slice(8, 28), slice(12, 40), slice(6, 26)),
    2: (slice(14, 26), slice(26, 44), slice(46, 58)),
    3: (slice(4, 18), slice(36, 48), slice(42, 52)),
    4: (slice(2, 12), slice(42, 54), slice(10, 20)),
    5: (slice(0, 32), slice(30, 36), slice(30, 36)),
    6: (slice(0, 32), slice(40, 54), slice(26, 38)),
}


def arrays() -> tuple[Array, Array]:
    """(values, labels) as [slice, row, col], both int16."""
    rng = np.random.default_rng(0)
    values = np.full((32, 60, 64), -100, np.int16)
    labels = np.zeros_like(values)
    for number, where in PARTS.items():
        labels[where] = number
        values[where] = 40 + 10 * number
    return (values + rng.integers(-5, 6, values.shape)).astype(np.int16), labels


def body(name: str = "body", mirrored: bool = False) -> LabelledVolume:
    """The volume, or the same one mirrored left to right with its labels."""
    made = [array[..., ::-1] if mirrored else array for array in arrays()]
    affine = np.diag([SPACING[2], SPACING[1], SPACING[0], 1.0])
    image, labels = (canonical_volume(array.transpose(2, 1, 0), affine, "radiological", []) for array in made)
    return LabelledVolume(name, image, labels, NAMES, "CT")


def write_body(folder: Path, codes: str = "LPS") -> tuple[Path, Path, Path]:
    """The same body as NIfTI files (volume, labels, names.json) stored in another orientation."""
    affine_ras = LPS_TO_RAS @ np.diag([SPACING[2], SPACING[1], SPACING[0], 1.0])
    paths = []
    for name, array in zip(("ct.nii.gz", "labels.nii.gz"), arrays(), strict=True):
        image = nib.Nifti1Image(np.ascontiguousarray(array.transpose(2, 1, 0)), affine_ras)
        turn = nib.orientations.ornt_transform(
            nib.orientations.io_orientation(affine_ras), nib.orientations.axcodes2ornt(tuple(codes))
        )
        nib.save(image.as_reoriented(turn), folder / name)
        paths.append(folder / name)
    (folder / "names.json").write_text(json.dumps({str(k): v for k, v in NAMES.items()}))
    return paths[0], paths[1], folder / "names.json"
