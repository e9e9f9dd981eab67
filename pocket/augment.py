"""Augmented axial cuts through patients A and B: oblique, warped, mirrored, re-contrasted; labels move along.

Never patient C, never the slices that hold the real nodule, and (for training) never the held-out blocks: the
volumes are cut into blocks of slices, and a cut that leaves its block repeats the block's last slice.
Knows nothing of phrases or models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from foveate.pocket.anatomy import mirrored_labels, parts
from foveate.pocket.data import load_patient
from foveate.pocket.lesions import paint_arms, paint_nodule

AIR = -1024
# (patient, first slice, last slice, weight). The nodule is on A 86-94; what lies between blocks is held
# out or a gap.
TRAIN_BLOCKS = (
    ("A", 0, 29, 0.22), ("A", 37, 70, 0.20), ("A", 78, 84, 0.06), ("A", 96, 132, 0.18),
    ("B", 0, 90, 0.16), ("B", 98, 111, 0.18),
)  # fmt: skip
HELD_OUT = (("A", 31, 35), ("A", 72, 76), ("B", 92, 96))
ARTERIES = (
    "aorta",
    "iliac_artery",
    "subclavian_artery",
    "common_carotid",
    "brachiocephalic_trunk",
    "heart",
    "atrial",
)
VEINS = ("vena_cava", "portal_vein", "iliac_vena", "brachiocephalic_vein", "pulmonary_vein")
SOLID = ("liver", "spleen", "pancreas")
HOLLOW = ("stomach", "colon", "small_bowel", "duodenum", "urinary_bladder", "gallbladder")


@dataclass(frozen=True)
class SliceSample:
    """One augmented slice: `hu` int16 and `labels` uint8 (part ids) of the same shape, square pixels of
    `mm`.
    """

    hu: npt.NDArray[np.int16]
    labels: npt.NDArray[np.uint8]
    mm: float


@dataclass(frozen=True)
class Block:
    """A run of slices as tensors: `hu` and `labels` float32 (1, 1, D, H, W); `size_mm` (z, y, x);
    `centre` in mm.
    """

    name: str
    hu: Tensor
    labels: Tensor
    size_mm: tuple[float, float, float]
    centre: tuple[float, float]
    means: npt.NDArray[np.float64]


@cache
def block(name: str, first: int, last: int) -> Block:
    """The slices first..last of a patient; A is halved in-plane, which keeps 1.4 mm."""
    patient = load_patient(name)
    hu: npt.NDArray[Any] = np.clip(patient.hu[first : last + 1].astype(np.float32), AIR, 3071)
    labels = patient.labels[first : last + 1]
    sz, sy, sx = patient.spacing_mm
    if name == "A":
        hu = (hu[:, ::2, ::2] + hu[:, 1::2, ::2] + hu[:, ::2, 1::2] + hu[:, 1::2, 1::2]) / 4
        labels, sy, sx = labels[:, ::2, ::2], sy * 2, sx * 2
    means = np.array([hu[labels == i].mean() if (labels == i).any() else 0 for i in range(len(parts()) + 1)])
    rows, cols = np.nonzero((hu > -300).mean(0) > 0.5)
    centre = ((rows.min() + rows.max() + 1) / 2 * sy, (cols.min() + cols.max() + 1) / 2 * sx)
    size = (hu.shape[0] * sz, hu.shape[1] * sy, hu.shape[2] * sx)
    tensors = [torch.from_numpy(np.ascontiguousarray(v, dtype=np.float32))[None, None] for v in (hu, labels)]
    return Block(name, tensors[0], tensors[1], size, (float(centre[0]), float(centre[1])), means)


def cut_grid(
    rng: np.random.Generator, source: Block, side: int, mm: float, z_mm: float, warp: float
) -> Tensor:
    """Sampling grid (1, 1, side, side, 3) for `grid_sample`: an oblique, bent plane at height z_mm."""
    angle = math.radians(rng.normal(0, 6) * warp)
    stretch = 1 + rng.uniform(-0.13, 0.13, 2) * warp
    axis = (torch.arange(side, dtype=torch.float32) + 0.5 - side / 2) * mm
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    bend = torch.from_numpy(rng.normal(0, 1, (1, 3, 6, 6)).astype(np.float32))
    bend = F.interpolate(bend, (side, side), mode="bicubic", align_corners=True)[0]
    strength = rng.uniform(0, 7, 3) * warp
    y = (math.cos(angle) * v - math.sin(angle) * u) * stretch[0] + bend[0] * strength[0]
    x = (math.sin(angle) * v + math.cos(angle) * u) * stretch[1] + bend[1] * strength[1]
    cy, cx = _aim(rng, source, side * mm, warp)
    tilt = np.tan(np.radians(rng.normal(0, 4, 2) * warp))
    z = z_mm + tilt[0] * y + tilt[1] * x + bend[2] * strength[2] * 0.7
    # beyond the block's first and last slice the slice itself is repeated: held-out slices are never touched
    depth = source.hu.shape[2]
    z = (z / source.size_mm[0]).clamp(0.5 / depth, 1 - 0.5 / depth)
    grid = torch.stack([(x + cx) / source.size_mm[2], (y + cy) / source.size_mm[1], z], -1) * 2 - 1
    return grid[None, None].float()


def _aim(rng: np.random.Generator, source: Block, field_mm: float, warp: float) -> tuple[float, float]:
    """Where the cut is centred, in mm: near the body's middle, anywhere in the body for small fields."""
    reach = 0.12 * field_mm if field_mm > 330 else 0.25 * (420 - field_mm)
    dy, dx = rng.uniform(-1, 1, 2) * np.array([reach * 0.7, reach]) * warp
    return source.centre[0] + float(dy), source.centre[1] + float(dx)


def recontrast(rng: np.random.Generator, hu: Tensor, labels: Tensor, means: Any) -> Tensor:
    """Another contrast phase: vessels, kidneys, solid and hollow organs move to new mean intensities."""
    shift = torch.zeros(len(parts()) + 1)
    artery, vein, kidney = rng.uniform(35, 380), rng.uniform(40, 220), rng.uniform(30, 230)
    solid = rng.uniform(-35, 35)
    for i, name in enumerate(parts(), start=1):
        if name.startswith(ARTERIES):
            shift[i] = artery - means[i]
        elif any(v in name for v in VEINS):
            shift[i] = vein - means[i]
        elif name.startswith("kidney"):
            shift[i] = kidney - means[i]
        elif name.startswith(SOLID):
            shift[i] = solid + rng.uniform(-15, 15)
        elif name.startswith(HOLLOW) and rng.random() < 0.5:
            shift[i] = rng.uniform(-60, 150)
    moved = F.avg_pool2d(shift[labels.long()][None], 3, 1, 1)[0]
    return torch.where(hu > -150, hu + moved, hu)


def slice_sample(
    rng: np.random.Generator,
    side: int = 192,
    mm: float = 2.0,
    nodules: float = 0.3,
    arms: float = 0.2,
    mirrored: float = 0.25,
    warp: float = 1.0,
    where: tuple[str, int, int] | None = None,
    z_mm: float | None = None,
) -> SliceSample:
    """One augmented slice of `side` pixels of `mm` millimetres from a random training block, or from
    `where`.
    """
    if where is None:
        weights = np.array([b[3] for b in TRAIN_BLOCKS])
        name, first, last, _ = TRAIN_BLOCKS[int(rng.choice(len(TRAIN_BLOCKS), p=weights / weights.sum()))]
        where = (name, first, last)
    source = block(*where)
    height = float(rng.uniform(0, source.size_mm[0])) if z_mm is None else z_mm
    grid = cut_grid(rng, source, side, mm, height, warp)
    hu = F.grid_sample(source.hu - AIR, grid, "bilinear", "zeros", align_corners=False)[0, 0, 0] + AIR
    labels = F.grid_sample(source.labels, grid, "nearest", "zeros", align_corners=False)[0, 0, 0]
    if rng.random() < 0.5 * warp:
        hu = recontrast(rng, hu, labels, source.means)
    values, ids = hu.numpy(), labels.numpy().astype(np.uint8)
    if rng.random() < mirrored:
        values, ids = mirror_slice(values, ids)
    if rng.random() < nodules:
        paint_nodule(rng, values, ids, mm)
    if rng.random() < arms:
        paint_arms(rng, values, ids, mm)
    return SliceSample(np.rint(np.clip(values, AIR, 3071)).astype(np.int16), ids, mm)


def mirror_slice(
    hu: npt.NDArray[Any], labels: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """The slice mirrored left to right with left and right names swapped."""
    return np.ascontiguousarray(hu[:, ::-1]), mirrored_labels()[labels[:, ::-1]]


def degrade(rng: np.random.Generator, hu: Tensor) -> Tensor:
    """Scanner variation on (H, W) HU: blur, lost resolution, gain, offset, noise."""
    side = hu.shape[-1]
    image = hu[None, None]
    if rng.random() < 0.35:
        small = int(side / rng.uniform(1.1, 2.2))
        image = F.interpolate(
            F.interpolate(image, (small, small), mode="area"), (side, side), mode="bilinear"
        )
    if rng.random() < 0.3:
        image = image + rng.uniform(0.2, 1.0) * (
            image - F.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
        )
    image = image[0, 0] * rng.uniform(0.93, 1.07) + rng.normal(0, 12)
    noise = torch.from_numpy(rng.normal(0, rng.uniform(0, 30), hu.shape).astype(np.float32))
    if rng.random() < 0.5:
        noise = F.avg_pool2d(noise[None], 3, 1, 1)[0] * 2
    image = image + noise
    return image.clamp(AIR, 3071)


def random_field(rng: np.random.Generator, side: int) -> Tensor:
    """What of a (side, side) slice is seen, as bool: a rectangle (a crop) or a disc (a reconstruction
    circle).
    """
    if rng.random() < 0.3:
        axis = torch.linspace(-1, 1, side)
        away = (axis[:, None] - rng.normal(0, 0.1)) ** 2 + (axis[None] - rng.normal(0, 0.1)) ** 2
        return away < rng.uniform(0.7, 1.1) ** 2
    h, w = (int(side * rng.uniform(0.4, 1.0)) for _ in range(2))
    y, x = int(rng.integers(0, side - h + 1)), int(rng.integers(0, side - w + 1))
    keep = torch.zeros(side, side, dtype=torch.bool)
    keep[y : y + h, x : x + w] = True
    return keep
