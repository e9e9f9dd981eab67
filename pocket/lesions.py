"""Things painted into slices: synthetic lung nodules in lung tissue, and arms beside the body.

Shapes are random blobs, no model of disease; every use says that they are synthetic. Knows nothing of
training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from foveate.pocket.anatomy import parts

Array = npt.NDArray[Any]


def part_id(name: str) -> int:
    """The label value of a part."""
    return parts().index(name) + 1


def lung_ids(side: str) -> list[int]:
    """Label values of the lobes of one side."""
    return [
        i + 1 for i, p in enumerate(parts()) if p.startswith("lung_") and "lobe" in p and p.endswith(side)
    ]


def paint_nodule(rng: np.random.Generator, hu: Array, labels: Array, mm: float) -> bool:
    """Paints one blob of 5-40 mm into lung tissue, in place, and labels it. False where there is no lung."""
    side = str(rng.choice(["left", "right"]))
    lung = np.isin(labels, lung_ids(side))
    spots = np.argwhere(lung)
    if len(spots) * mm * mm < 1200:
        return False
    diameter = float(np.exp(rng.uniform(np.log(5), np.log(40))))
    middle = spots[rng.integers(len(spots))]
    depth = _depth(rng, lung.shape, middle, diameter, mm)
    inside = (depth > 0) & lung
    if inside.sum() < 3:
        return False
    soft = 1 / (1 + np.exp(-np.clip(depth / rng.uniform(0.5, 1.5), -30, 30)))
    texture = ndimage.gaussian_filter(rng.normal(0, 1, hu.shape), 1.0) * rng.uniform(10, 80)
    value = rng.uniform(-40, 80) + texture
    reach = ndimage.binary_dilation(lung, iterations=1)
    hu[:] = np.where(reach, hu + soft * (np.maximum(value, hu) - hu), hu)
    labels[inside] = part_id(f"lung_nodule_{side}")
    return True


def _depth(
    rng: np.random.Generator, shape: tuple[int, ...], middle: Array, diameter: float, mm: float
) -> Array:
    """Signed depth below the blob's wavy surface in mm, positive inside, with spicules as thin rays."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    turn, squeeze = rng.uniform(0, np.pi), rng.uniform(0.65, 1.0)
    v, u = (y - middle[0] + rng.uniform(-0.5, 0.5)) * mm, (x - middle[1] + rng.uniform(-0.5, 0.5)) * mm
    u, v = u * np.cos(turn) + v * np.sin(turn), (v * np.cos(turn) - u * np.sin(turn)) / squeeze
    theta = np.arctan2(v, u)
    rough = rng.uniform(0.03, 0.16)
    wave = sum(rng.normal(0, rough / k**0.5) * np.cos(k * theta + rng.uniform(0, 6.3)) for k in range(2, 9))
    radius = diameter / 2 * (1 + wave)
    if diameter > 10 and rng.random() < 0.6:
        rays = np.maximum(np.cos(theta * rng.integers(5, 12) + rng.uniform(0, 6.3)), 0) ** 6
        radius = radius + rays * diameter * rng.uniform(0.05, 0.2)
    return np.asarray(radius - np.hypot(u, v))


def paint_arms(rng: np.random.Generator, hu: Array, labels: Array, mm: float) -> None:
    """Paints upper arms (or forearms, unlabelled) into the air beside the body, in place."""
    body = hu > -300
    rows, cols = np.nonzero(ndimage.binary_opening(body, iterations=2))
    if len(rows) < 500:
        return
    middle = (rows.min() + rows.max()) / 2
    band = np.abs(rows - middle) < 0.25 * np.ptp(rows)
    edges = {"right": float(cols[band].min()), "left": float(cols[band].max())}
    upper = rng.random() < 0.85
    for side, edge in edges.items():
        if rng.random() < 0.15:
            continue
        size = rng.uniform(32, 58)
        away = (size * rng.uniform(0.85, 1.1) + rng.uniform(0, 15)) / mm * (1 if side == "left" else -1)
        at = (middle + rng.uniform(-0.15, 0.4) * np.ptp(rows), edge + away)
        _arm(rng, hu, labels, body, at, size / mm, mm, part_id(f"humerus_{side}") if upper else 0)


def _arm(
    rng: np.random.Generator, hu: Array, labels: Array, body: Array, at: tuple[float, float], size:
    float, mm: float, label: int,
) -> None:  # fmt: skip
    """One arm's cross-section: skin fat, muscle, one labelled bone or two unlabelled ones."""
    outer = _ellipse(rng, hu.shape, at, size, rng.uniform(1.0, 1.35))
    free = ~body & (outer < 1)
    noise = rng.normal(0, 18, hu.shape)
    fat = rng.uniform(0.72, 0.93)
    hu[free] = (np.where(outer < fat, rng.uniform(35, 65), -100) + noise)[free]
    spots = [(at[0] + rng.normal(0, 0.12) * size, at[1] + rng.normal(0, 0.12) * size)]
    if not label:
        spots = [(at[0] - 0.3 * size, at[1]), (at[0] + 0.3 * size, at[1] + 0.1 * size)]
    for spot in spots:
        radius = rng.uniform(9, 14) / mm * (1 if label else 0.7)
        bone = _ellipse(
            rng, hu.shape, spot, radius, rng.uniform(1.0, 2.4) if label and rng.random() < 0.4 else 1.1
        )
        shell = rng.uniform(0.5, 0.8)
        inner = free & (bone < 1)
        hu[inner] = (np.where(bone > shell, rng.uniform(700, 1400), rng.uniform(-60, 250)) + noise)[inner]
        if label:
            labels[inner] = label


def _ellipse(
    rng: np.random.Generator, shape: tuple[int, ...], at: tuple[float, float], radius: float, ratio: float
) -> Array:
    """Normalised distance from a turned ellipse's centre: below 1 inside."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    turn = rng.uniform(0, np.pi)
    u = (x - at[1]) * np.cos(turn) + (y - at[0]) * np.sin(turn)
    v = -(x - at[1]) * np.sin(turn) + (y - at[0]) * np.cos(turn)
    return np.asarray(np.hypot(u / ratio**0.5, v * ratio**0.5) / radius)
