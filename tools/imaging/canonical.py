"""Volumes in one orientation, whatever the file's.

Canonical axes are patient left (or right, in the neurological convention), posterior, superior, so that
an axial slice is seen from the feet as radiologists see it. It does not know files.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from nibabel import orientations as nibabel_orientations

from foveate.tools.imaging.image import SourceImage

orientations: Any = nibabel_orientations  # without type hints
Matrix = npt.NDArray[np.float64]
LPS_TO_RAS: Matrix = np.diag([-1.0, -1.0, 1.0, 1.0])
_OBLIQUE_DEGREES = 5.0
ViewingConvention = Literal["radiological", "neurological"]


def canonical_volume(
    array: npt.NDArray[Any], affine_lps: Matrix, convention: ViewingConvention, notes: list[str]
) -> SourceImage:
    """A volume from ``array[i, j, k]`` (or ``[i, j, k, 3]``) and its index-to-patient affine (LPS mm).

    Appends to notes what was turned. Raises ValueError when the affine does not span space.
    """
    ras = LPS_TO_RAS @ affine_lps
    if not np.isfinite(ras).all() or abs(np.linalg.det(ras[:3, :3])) < 1e-9:
        raise ValueError("the affine does not span space")
    stored = orientations.io_orientation(ras)
    if np.isnan(stored).any():
        raise ValueError("the affine does not span space")
    side = "R" if convention == "neurological" else "L"
    turn = orientations.ornt_transform(stored, orientations.axcodes2ornt((side, "P", "S")))
    to_stored = orientations.inv_ornt_aff(turn, array.shape[:3])
    turned = orientations.apply_orientation(array, turn)
    affine = affine_lps @ to_stored
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    _note_oblique(affine, notes)
    return SourceImage(
        pixels=np.ascontiguousarray(np.moveaxis(turned, (2, 1, 0), (0, 1, 2))),
        spacing_mm=(float(steps[2]), float(steps[1]), float(steps[0])),
        affine=affine,
        convention=convention,
        volume=True,
        patient_side_known=True,
        stored_orientation="".join(orientations.ornt2axcodes(stored)),
        to_stored=to_stored,
        notes=notes,
    )


def _note_oblique(affine: Matrix, notes: list[str]) -> None:
    unit = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    angle = float(np.degrees(np.arccos(np.clip(np.abs(unit).max(axis=0).min(), -1.0, 1.0))))
    if angle > _OBLIQUE_DEGREES:
        notes.append(f"the slices are oblique by {angle:.0f} degrees; planes are named by their nearest axis")
