"""Sums of attention maps and what is done to them. Knows tensors and grids, no recipe and no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F


@dataclass
class RunningMean:
    """Mean of maps (phrases, h, w) of several grids, at one grid; resizing is linear, so it is done once."""

    sums: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    count: int = 0

    def add(self, maps: Tensor) -> None:
        grid = (maps.shape[-2], maps.shape[-1])
        self.sums[grid] = self.sums[grid] + maps if grid in self.sums else maps.clone()
        self.count += 1

    def mean(self, side: int, mode: str) -> Tensor:
        """(phrases, side, side); `mode` "bilinear" or "nearest"."""
        return sum_tensors([resize(total, side, mode) for total in self.sums.values()]) / self.count


def sum_tensors(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def resize(maps: Tensor, side: int, mode: str) -> Tensor:
    """(phrases, h, w) → (phrases, side, side)."""
    if maps.shape[-2:] == (side, side):
        return maps
    if mode == "bilinear":
        return F.interpolate(maps[None], (side, side), mode="bilinear", align_corners=False)[0]
    return F.interpolate(maps[None], (side, side), mode="nearest")[0]


def minmax(maps: Tensor) -> Tensor:
    """Each (h, w) of (…, h, w) to 0…1; a flat map becomes 0."""
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-12)


def blurred(maps: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of each (h, w), sigma in pixels."""
    if sigma <= 0:
        return maps
    return torch.from_numpy(ndimage.gaussian_filter(maps.numpy(), (0.0, sigma, sigma)))


def otsu(heat: npt.NDArray[np.floating]) -> float:
    """Otsu's threshold; what is above it is foreground. The value itself for a flat map."""
    from skimage import filters

    threshold: Any = filters.threshold_otsu
    return float(threshold(heat)) if heat.max() > heat.min() else float(heat.max())


def otsu_masked(maps: Tensor) -> Tensor:
    """Each map with what is not above its Otsu threshold set to 0; soft values are kept."""
    return torch.stack([heat * (heat > otsu(heat.numpy())) for heat in maps])


def geometric_mean(maps: Sequence[Tensor]) -> Tensor:
    """Place by place, of maps (…, h, w) of one shape; what is below 0 counts as 0, and 0 anywhere gives 0."""
    stacked = torch.stack([each.clamp(min=0) for each in maps])
    return stacked.clamp(min=1e-30).log().mean(0).exp() * (stacked > 0).all(0)
