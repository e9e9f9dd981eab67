"""Endless training batches for pocket-locator: model inputs and label maps, made in one worker process.

Knows nothing of phrases, losses or models.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from foveate.pocket.augment import AIR, degrade, random_field, slice_sample
from foveate.tools.grounding.inputs import grey_channels, hu_channels

SIDE = 192
GREY_WINDOWS = ((-600.0, 1500.0), (40.0, 400.0), (40.0, 350.0), (60.0, 160.0), (400.0, 1800.0), (0.0, 2000.0))


class Batches(IterableDataset[tuple[Tensor, Tensor]]):
    """Yields (inputs (B, 5, S, S) float32, labels (B, S, S) uint8)."""

    def __init__(self, batch: int, seed: int, side: int = SIDE) -> None:
        self.batch, self.seed, self.side = batch, seed, side

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        torch.set_num_threads(1)
        rng = np.random.default_rng(self.seed)
        while True:
            made = [one_input(rng, self.side) for _ in range(self.batch)]
            yield torch.stack([m[0] for m in made]), torch.stack([m[1] for m in made])


def one_input(rng: np.random.Generator, side: int) -> tuple[Tensor, Tensor]:
    """One augmented sample as the model sees it: a CT in HU, or (three in ten) a grey picture in some
    window.
    """
    mm = (
        2.0 * math.exp(rng.uniform(math.log(0.6), math.log(1.5)))
        if rng.random() < 0.6
        else rng.uniform(1.7, 2.4)
    )
    arms = 0.45 if mm > 2.0 else 0.1
    sample = slice_sample(rng, side, mm * 192 / side, nodules=0.55, arms=arms, mirrored=0.15)
    hu = degrade(rng, torch.from_numpy(sample.hu.astype(np.float32)))
    labels = torch.from_numpy(sample.labels)
    seen = random_field(rng, side) if rng.random() < 0.3 else None
    if rng.random() < 0.3:
        inputs = grey_channels(_grey(rng, hu)[None])[0]
        if seen is not None:
            inputs[:4] = torch.where(seen, inputs[:4], torch.full_like(inputs[:4], -1))
    else:
        hu = hu if seen is None else torch.where(seen, hu, torch.full_like(hu, AIR))
        inputs = hu_channels(hu[None])[0]
    return inputs, labels if seen is None else labels * seen


def _grey(rng: np.random.Generator, hu: Tensor) -> Tensor:
    centre, width = GREY_WINDOWS[int(rng.integers(len(GREY_WINDOWS)))]
    centre, width = centre + rng.normal(0, 0.08) * width, width * rng.uniform(0.75, 1.4)
    grey = ((hu - centre) / width + 0.5).clamp(0, 1) ** float(rng.uniform(0.8, 1.25))
    return (grey * 255).round() / 255


def loader(batch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches from one worker process, a few ahead."""
    return iter(DataLoader(Batches(batch, seed), batch_size=None, num_workers=1, prefetch_factor=3))
