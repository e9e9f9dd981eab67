"""Random training pictures for pocket-vlm: an augmented axial slice of patient A or B, random views of it.

Never patient C, never the slices that hold the real nodule. Labels are part ids (`anatomy.parts()`), plus one
class for painted lesions. Knows nothing of questions or models.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from foveate.pocket.anatomy import mirrored_labels, parts
from foveate.pocket.data import load_patient, nodule_slices

LESION_ID = len(parts()) + 1
CLASSES = LESION_ID + 1
SIDE = 352
LUNG_PARTS = tuple(i + 1 for i, name in enumerate(parts()) if name.startswith("lung_"))
WINDOWS = ((40.0, 400.0), (40.0, 400.0), (-600.0, 1500.0), (400.0, 1800.0), (60.0, 160.0), (50.0, 350.0))


@dataclass(frozen=True)
class Scene:
    """One augmented axial slice. `hu` int16 and `labels` uint8 of shape (SIDE, SIDE); square pixels."""

    hu: npt.NDArray[np.int16]
    labels: npt.NDArray[np.uint8]
    spacing_mm: float
    lesion_mm: float | None


@cache
def _slices() -> dict[str, list[int]]:
    kept_out = {each.slice_index for each in nodule_slices()}
    return {
        "A": [i for i in range(load_patient("A").hu.shape[0]) if i not in kept_out],
        "B": list(range(load_patient("B").hu.shape[0])),
    }


def random_scene(rng: np.random.Generator, lesions: float = 0.35) -> Scene:
    """A slice of A or B after a random affine and elastic map, mirroring, lesions and intensity changes."""
    name = "A" if rng.random() < 0.55 else "B"
    patient = load_patient(name)
    index = int(rng.choice(_slices()[name]))
    spacing = patient.spacing_mm[1]
    shown = float(rng.uniform(1.05, 1.55))
    rows, cols = _warp(rng, patient.hu.shape[1:], shown / spacing)
    hu = ndimage.map_coordinates(patient.hu[index], (rows, cols), order=1, cval=-1024, output=np.float32)
    labels = ndimage.map_coordinates(patient.labels[index], (rows, cols), order=0, cval=0)
    if rng.random() < 0.3:
        hu, labels = hu[:, ::-1].copy(), mirrored_labels()[labels[:, ::-1]]
    lesion = None
    if rng.random() < lesions:
        lesion = paint_lesion(rng, hu, labels, shown)
    hu = np.clip(hu, -1024, 3000) * rng.uniform(0.93, 1.07) + rng.uniform(-15, 15)
    hu = hu + rng.normal(0, rng.uniform(2, 22), hu.shape)
    if rng.random() < 0.25:
        hu = ndimage.gaussian_filter(hu, rng.uniform(0.4, 1.1))
    return Scene(np.clip(hu, -1024, 3071).astype(np.int16), labels.astype(np.uint8), shown, lesion)


def _warp(rng: np.random.Generator, shape: tuple[int, ...], step: float) -> tuple[Any, Any]:
    """Source (rows, cols) of each target pixel: rotation, anisotropic scale, shift, smooth elastic bend."""
    angle = np.deg2rad(rng.normal(0, 6))
    sy, sx = step * rng.uniform(0.88, 1.12), step * rng.uniform(0.88, 1.12)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) - (SIDE - 1) / 2
    y, x = y + rng.uniform(-18, 18), x + rng.uniform(-18, 18)
    bend = [ndimage.zoom(rng.normal(0, rng.uniform(0, 2.5), (6, 6)), SIDE / 6, order=3) for _ in range(2)]
    rows = (np.cos(angle) * y + np.sin(angle) * x + bend[0]) * sy + (shape[0] - 1) / 2
    cols = (-np.sin(angle) * y + np.cos(angle) * x + bend[1]) * sx + (shape[1] - 1) / 2
    return rows, cols


def paint_lesion(rng: np.random.Generator, hu: Any, labels: Any, spacing: float) -> float | None:
    """Paints one spiculated blob of 5-38 mm into lung tissue, in place. Its diameter in mm, None: no lung."""
    lung = np.isin(labels, LUNG_PARTS)
    if lung.sum() < 400:
        return None
    diameter = float(rng.uniform(5, 38))
    spots = np.argwhere(lung)
    cy, cx = spots[rng.integers(len(spots))]
    y, x = np.mgrid[: hu.shape[0], : hu.shape[1]]
    angle, squeeze = rng.uniform(0, np.pi), rng.uniform(0.75, 1.0)
    u = ((x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)) * spacing
    v = (-(x - cx) * np.sin(angle) + (y - cy) * np.cos(angle)) * spacing / squeeze
    theta = np.arctan2(v, u)
    edge = sum(rng.normal(0, 0.10 / k**0.5) * np.cos(k * theta + rng.uniform(0, 6.3)) for k in range(2, 9))
    inside = diameter / 2 * (1 + edge) - np.hypot(u, v)
    soft = 1 / (1 + np.exp(-np.clip(inside / rng.uniform(0.5, 1.2), -30, 30)))
    mask = (inside > 0) & lung
    if mask.sum() < 6:
        return None
    reach = ndimage.binary_dilation(lung, iterations=2)
    value = rng.uniform(-20, 70) + ndimage.gaussian_filter(rng.normal(0, 60, hu.shape), 1.2)
    hu[:] = np.where(reach, hu + soft * (np.maximum(value, hu) - hu), hu)
    labels[mask] = LESION_ID
    return diameter


def random_view_of(rng: np.random.Generator, scene: Scene) -> tuple[Image.Image, npt.NDArray[np.uint8]]:
    """An RGB picture, its sides multiples of 28 and at most 224, and its label image of the same size."""
    x0, y0, x1, y1 = _region(rng, scene)
    side = 224 if x1 - x0 > SIDE / 2 else int(rng.choice((140, 168, 168, 224)))
    scale = side / max(x1 - x0, y1 - y0)
    width, height = (max(28, round((b - a) * scale / 28) * 28) for a, b in ((x0, x1), (y0, y1)))
    center, span = WINDOWS[rng.integers(len(WINDOWS))]
    center, span = center + rng.normal(0, 0.06) * span, span * rng.uniform(0.8, 1.25)
    grey = np.clip((scene.hu - center) / span + 0.5, 0, 1) * 255
    picture = Image.fromarray(grey.astype(np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC, (x0, y0, x1, y1), 2.0
    )
    labels = Image.fromarray(scene.labels).resize((width, height), Image.Resampling.NEAREST, (x0, y0, x1, y1))
    return picture.convert("RGB"), np.asarray(labels)


def _region(rng: np.random.Generator, scene: Scene) -> tuple[float, float, float, float]:
    """The whole slice, or a box around something labelled with a margin, clipped to the slice."""
    present = np.unique(scene.labels[scene.labels > 0])
    if rng.random() < 0.4 or not len(present):
        cut = rng.uniform(0, 40, 4)
        return float(cut[0]), float(cut[1]), SIDE - float(cut[2]), SIDE - float(cut[3])
    chosen = LESION_ID if LESION_ID in present and rng.random() < 0.4 else rng.choice(present)
    rows, cols = np.nonzero(scene.labels == chosen)
    cy, cx = (rows.min() + rows.max() + 1) / 2, (cols.min() + cols.max() + 1) / 2
    half_h = max(8.0, np.ptp(rows) / 2 * rng.uniform(1.1, 2.2))
    half_w = max(8.0, np.ptp(cols) / 2 * rng.uniform(1.1, 2.2))
    half_h, half_w = max(half_h, half_w / 3), max(half_w, half_h / 3)
    cx, cy = cx + rng.normal(0, 0.2) * half_w, cy + rng.normal(0, 0.2) * half_h
    return max(0.0, cx - half_w), max(0.0, cy - half_h), min(SIDE, cx + half_w), min(SIDE, cy + half_h)
