"""A tiny pool, autoencoder and run of pocket-diffusion's real classes, on pictures of rectangles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from foveate.pocket.anatomy import part_ids, structure
from foveate.pocket.diffusion.model import TINY, autoencoder
from foveate.pocket.diffusion.pool import write_shard
from foveate.pocket.diffusion.scenes import OVERSAMPLED, Picture, compose, random_window
from foveate.pocket.diffusion.vae import write

SIDE = 32
BOXES = {
    "liver": (4, 10, 24, 34),
    "spleen": (44, 20, 56, 40),
    "vertebra": (28, 44, 38, 56),
    "aorta": (28, 34, 34, 40),
}
"""(x0, y0, x1, y1) in half pixels of the picture."""


def rectangle_slice() -> tuple[np.ndarray, np.ndarray]:
    """`labels` uint8 and `hu` float32, OVERSAMPLED times as long as the picture: labelled rectangles in
    fat.
    """
    whole = OVERSAMPLED * SIDE
    labels, hu = np.zeros((whole, whole), np.uint8), np.full((whole, whole), -100.0, np.float32)
    for name, box in BOXES.items():
        x0, y0, x1, y1 = (edge * OVERSAMPLED // 2 for edge in box)
        labels[y0:y1, x0:x1] = part_ids(structure(name))[0]
        hu[y0:y1, x0:x1] = 60
    return labels, hu


def rectangles(rng: np.random.Generator) -> Picture:
    """One picture of labelled rectangles in fat, composed as a real cut is."""
    labels, hu = rectangle_slice()
    return compose(rng, hu, labels, random_window(rng))


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Twelve pictures in two shards, and beside them the checkpoint of an untrained autoencoder, vae.pt."""
    folder, rng = tmp_path / "pool", np.random.default_rng(0)
    folder.mkdir()
    for n in range(2):
        write_shard(folder / f"000-{n:04d}.npz", [rectangles(rng) for _ in range(6)])
    torch.manual_seed(0)
    state = {"model": autoencoder(TINY).state_dict(), "scaling_factor": 0.8}
    write(state, tmp_path / "vae.pt")
    return folder
