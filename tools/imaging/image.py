"""A source image: decoded pixels with geometry, and nothing that says who was imaged.

It does not know how files are read (``open.py``) or shown (``views.py``).

Volumes are canonical: ``pixels[slice, row, col]`` with slice towards the head, row towards the back and col
towards the patient's left (radiological: image left is patient right) or right (neurological). A picture or a
single DICOM image keeps its stored matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from foveate.tools.imaging.frames import Affine2D, Box, Frame
from foveate.tools.imaging.windows import Window

Convention = Literal["radiological", "neurological", "as stored"]
Point = tuple[float, float, float]

_THICK = 1.5  # slices this much thicker than the pixels mark the plane that was acquired
_OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "H": "F", "F": "H"}
SIDE_NAMES = {
    "R": "patient right",
    "L": "patient left",
    "A": "anterior",
    "P": "posterior",
    "H": "superior",
    "F": "inferior",
}


@dataclass(eq=False)
class SourceImage:
    """One opened image: a picture, a slice, a stack of frames or a volume.

    pixels: ``[slice, row, col]`` int16, float32 or uint8, or ``[slice, row, col, 3]`` uint8 (colour).
    spacing_mm: distance between pixel centres along (slice, row, col), or None when the file does not say.
    affine: 4x4, voxel index (col, row, slice) to patient millimetres, LPS (DICOM's axes), or None.
    volume: whether the three anatomical planes can be cut through it.
    native_plane: the plane of a single image or of a stack that is no volume ("image" when unknown).
    stored_orientation: NIfTI axis codes of the file, such as "LAS".
    to_stored: 4x4, canonical index (col, row, slice) to the index in the file.
    patient_side_known: whether the file says which side is the patient's left.
    stored_sides: for a single image, where (left, top) of it lie in the patient, of R L A P H F.
    patient: a digest by which two images opened by one process can be told to be of one patient; no part of
    the stored form.
    """

    pixels: npt.NDArray[Any]
    spacing_mm: Point | None = None
    affine: npt.NDArray[np.float64] | None = None
    modality: str | None = None
    intensity_unit: str | None = None
    default_window: Window | None = None
    convention: Convention = "as stored"
    volume: bool = False
    native_plane: str = "image"
    stored_orientation: str | None = None
    to_stored: npt.NDArray[np.float64] | None = None
    stored_sides: tuple[str, str] | None = None
    patient_side_known: bool = False
    patient: bytes | None = field(default=None, repr=False)
    name: str = "image"
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pixels = np.ascontiguousarray(self.pixels)
        if self.pixels.dtype not in (np.uint8, np.int16, np.float32):
            raise TypeError(f"pixels are {self.pixels.dtype}; uint8, int16 or float32 were promised")
        if self.pixels.ndim not in (3, 4) or 0 in self.pixels.shape:
            raise TypeError(f"pixels have shape {self.pixels.shape}; [slice, row, col(, 3)] was promised")
        if self.default_window is None and not self.color:
            self.default_window = full_range_window(self.pixels)

    @cached_property
    def id(self) -> str:
        """SHA-256 hex digest of pixels and geometry: the same content has one id, whatever its name."""
        from foveate.tools.imaging.blob import blob_parts

        digest = sha256()
        for part in blob_parts(self):
            digest.update(part)
        return digest.hexdigest()

    @property
    def color(self) -> bool:
        return self.pixels.ndim == 4

    @property
    def n_slices(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def planes(self) -> tuple[str, ...]:
        """Planes that can be shown, the one that was acquired first."""
        if not self.volume:
            return (self.native_plane,)
        sizes = {plane: min(self.plane_size(plane)) for plane in ("axial", "coronal", "sagittal")}
        shown = [plane for plane, size in sizes.items() if size > 1] or ["axial"]
        return tuple(sorted(shown, key=lambda plane: plane != self._acquired_plane()))

    def slice_count(self, plane: str) -> int:
        return int(self.pixels.shape[self._axis(plane)])

    def plane_size(self, plane: str) -> tuple[int, int]:
        """(width, height) in source pixels of a slice of that plane."""
        slices, rows, cols = (int(size) for size in self.pixels.shape[:3])
        return {0: (cols, rows), 1: (cols, slices), 2: (rows, slices)}[self._axis(plane)]

    def plane_pixels(self, plane: str, slice_index: int) -> npt.NDArray[Any]:
        """``[row, col]`` or ``[row, col, 3]``; coronal and sagittal slices have the head at the top.

        Raises IndexError, with one sentence, when there is no such slice.
        """
        self.check_slice(plane, slice_index)
        axis = self._axis(plane)
        part = {
            0: (slice_index,),
            1: (slice(None, None, -1), slice_index),
            2: (slice(None, None, -1), slice(None), slice_index),
        }[axis]
        shown: npt.NDArray[Any] = self.pixels[part]
        return shown

    def check_slice(self, plane: str, slice_index: int) -> None:
        count = self.slice_count(plane)
        if not 0 <= slice_index < count:
            raise IndexError(
                f"There is no {plane} slice {slice_index}: the image has slices 0 to {count - 1}."
            )

    def plane_spacing(self, plane: str) -> tuple[float, float] | None:
        """(row_mm, col_mm) of the pixels of that plane, or None when the file has no spacing."""
        if self.spacing_mm is None:
            return None
        s, r, c = self.spacing_mm
        return {0: (r, c), 1: (s, c), 2: (s, r)}[self._axis(plane)]

    def source_frame(self, plane: str, slice_index: int) -> Frame:
        """The frame of that slice in source pixels."""
        self.check_slice(plane, slice_index)
        width, height = self.plane_size(plane)
        frame = Frame("", width, height, Affine2D.identity(), self.id, plane, slice_index, (width, height))
        return frame.source

    def patient_point(self, plane: str, slice_index: float, x: float, y: float) -> Point | None:
        """Patient millimetres (LPS) of a source position of a slice, or None without an affine."""
        if self.affine is None:
            return None
        # rows of coronal and sagittal slices run from the head down, voxel centres lie half a pixel inside
        head = self.n_slices - 0.5 - y
        index = {
            0: (x - 0.5, y - 0.5, slice_index),
            1: (x - 0.5, slice_index, head),
            2: (slice_index, x - 0.5, head),
        }[self._axis(plane)]
        point = self.affine @ np.array([*index, 1.0])
        return float(point[0]), float(point[1]), float(point[2])

    def box_to_patient(self, box: Box) -> list[float] | None:
        """[x0, y0, z0, x1, y1, z1] in patient mm (LPS): the extent of a box of any frame of this image."""
        source = box.to_source()
        corners = [
            self.patient_point(source.frame.plane, source.frame.slice_index, x, y)
            for x in (source.x0, source.x1)
            for y in (source.y0, source.y1)
        ]
        points = np.array([corner for corner in corners if corner is not None])
        return None if not len(points) else [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]

    def sides(self, plane: str) -> tuple[str, str, str, str] | None:
        """What lies at the image's (left, top, right, bottom), of R L A P H F; None if unknown."""
        if not self.volume or not self.patient_side_known:
            left_top = self.stored_sides
        else:
            side = "R" if self.convention != "neurological" else "L"
            left_top = {0: (side, "A"), 1: (side, "H"), 2: ("A", "H")}[self._axis(plane)]
        if left_top is None:
            return None
        left, top = left_top
        return left, top, _OPPOSITE[left], _OPPOSITE[top]

    def describe(self) -> str:
        """One line without identifiers: size, modality, spacing, slices, convention."""
        width, height = self.plane_size(self.planes[0])
        parts = [f"{width}x{height} {'color' if self.color else 'gray'}"]
        parts += [self.modality] if self.modality else []
        if self.slice_count(self.planes[0]) > 1:
            parts.append(f"{self.slice_count(self.planes[0])} {self.planes[0]} slices")
        elif self.planes[0] != "image":
            parts.append(f"one {self.planes[0]} slice")
        if self.spacing_mm is not None:
            parts.append("x".join(f"{value:.3g}" for value in reversed(self.spacing_mm) if value) + " mm")
        return ", ".join([*parts, self.convention])

    def __repr__(self) -> str:
        return f"SourceImage({self.describe()})"

    def _axis(self, plane: str) -> int:
        if not self.volume and plane == self.native_plane:
            return 0
        if not self.volume or plane not in ("axial", "coronal", "sagittal"):
            shown = " ".join(self.planes) if not self.volume else "axial coronal sagittal"
            raise ValueError(f"The image has no plane {plane!r}; it can be shown as: {shown}.")
        return ("axial", "coronal", "sagittal").index(plane)

    def _acquired_plane(self) -> str:
        if self.spacing_mm is None:
            return "axial"
        s, r, c = self.spacing_mm
        if r > _THICK * max(s, c):
            return "coronal"
        return "sagittal" if c > _THICK * max(s, r) else "axial"


def full_range_window(pixels: npt.NDArray[Any]) -> Window:
    """The whole range for 8 bits; otherwise the 0.5th to 99.5th percentile of the finite intensities."""
    if pixels.dtype == np.uint8:
        return Window(127.5, 255.0)
    sample = pixels.ravel("K")[:: max(1, pixels.size // 200_000)]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return Window(0.5, 1.0)
    low, high = (float(value) for value in np.percentile(sample, [0.5, 99.5]))
    if high <= low:
        low, high = float(sample.min()), float(sample.max())
    return Window((low + high) / 2, high - low) if high > low else Window(low, 1.0)
