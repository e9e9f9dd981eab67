"""A second modality made of a real slice and its labels, to try registration across modalities on.

Every labelled structure gets an intensity of its own at random and everything else goes through a random
curve that rises and falls, so that no function of the first gives the second (after the synthesis of
SynthSeg, Billot et al., 2023); then a bias field, blur and noise. The slice is turned, moved and bent by a
smooth field. Knows no tool and no model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from foveate.evals.bench.planted import Slice, moved
from foveate.tools.imaging.frames import Affine2D
from foveate.tools.imaging.image import SourceImage

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Corners = tuple[float, float, float, float]
SMOOTH_MM, BIAS_MM = 25.0, 40.0
"""Widths of the deformation and of the bias field."""
BIAS, NOISE, BLUR = 0.3, 0.05, 0.7


@dataclass(frozen=True)
class Second:
    """A made slice of another modality: its image, where the first one's labels lie on it, and the rigid part
    of how it lies in the first (pixels of the first to its own)."""

    image: SourceImage
    labels: Labels
    rigid: Affine2D


def second(image: SourceImage, labels: Labels, bend: float, rng: np.random.Generator) -> Second:
    """The same slice in another modality, elsewhere and bent by at most `bend` mm."""
    plane = image.plane_pixels("axial", 0).astype(np.float64)
    spacing = image.plane_spacing("axial") or (1.0, 1.0)
    rigid = moved(Slice("", 0, plane, spacing), rng)
    rows, cols = _places(plane.shape, rigid.inverse(), bend, spacing, rng)
    shown = ndimage.map_coordinates(_recoloured(plane, labels, rng), (rows, cols), order=1)
    there = ndimage.map_coordinates(labels, (rows, cols), order=0)
    bias = np.exp(_smooth(plane.shape, BIAS, BIAS_MM, spacing, rng))
    noisy = ndimage.gaussian_filter(shown, BLUR) * bias + rng.normal(0, NOISE, plane.shape)
    pixels = np.rint(np.clip(noisy, 0, None) * 1000).astype(np.int16)
    modality = "MR" if image.modality == "CT" else "CT"
    made = SourceImage(pixels[None], image.spacing_mm, modality=modality, native_plane="axial")
    return Second(made, there, rigid)


def _recoloured(plane: Floats, labels: Labels, rng: np.random.Generator) -> Floats:
    """0 to 1: a curve that rises and falls, half of it overruled by each structure's own intensity."""
    low, high = np.percentile(plane, [1, 99])
    share = np.clip((plane - low) / (high - low), 0, 1)
    knots = np.concatenate([[0.0], rng.permutation(np.linspace(0.1, 1.0, 6))])
    made = np.interp(share, np.linspace(0, 1, 7), knots)
    own = rng.uniform(0.1, 1.0, int(labels.max()) + 1)
    return np.asarray(np.where(labels > 0, 0.4 * made + 0.6 * own[labels], made))


def _places(
    shape: tuple[int, ...],
    back: Affine2D,
    bend: float,
    spacing: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """(row, col) indices of the first slice that each pixel of the second shows."""
    y, x = np.indices(shape, dtype=np.float64) + 0.5
    cols, rows = back.a * x + back.b * y + back.c - 0.5, back.d * x + back.e * y + back.f - 0.5
    if bend:
        rows += _smooth(shape, bend, SMOOTH_MM, spacing, rng) / spacing[0]
        cols += _smooth(shape, bend, SMOOTH_MM, spacing, rng) / spacing[1]
    return rows, cols


def _smooth(
    shape: tuple[int, ...], most: float, sigma: float, spacing: tuple[float, float], rng: np.random.Generator
) -> Floats:
    """A smooth random field with values from -most to most."""
    field = ndimage.gaussian_filter(rng.normal(size=shape), (sigma / spacing[0], sigma / spacing[1]))
    return np.asarray(field / np.abs(field).max() * most)


def box_of(mask: npt.NDArray[np.bool_]) -> Corners | None:
    """Round what is set, at pixel edges."""
    found = ndimage.find_objects(mask.astype(np.int8))
    if not found:
        return None
    rows, cols = found[0]
    return float(cols.start), float(rows.start), float(cols.stop), float(rows.stop)
