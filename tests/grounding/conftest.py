"""A tiny locator with random weights on disk, and a small CT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foveate.tools.grounding.dense import DenseConfig, DenseLocator, save_locator
from foveate.tools.imaging.image import SourceImage

TINY = DenseConfig(channels=(8, 8, 8), embed=8, text_width=16, text_layers=1, buckets=64)


def locator_config(offset: float = 1000.0) -> dict[str, Any]:
    """With the default offset every phrase counts as present."""
    return {
        "mm_per_pixel": 4.0,
        "presence": {"slope": 1.0, "offset": offset},
        "structures": {"liver": {"kind": "one", "side": "none"}, "ribs": {"kind": "union", "side": "none"}},
    }


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_locator(DenseLocator(TINY), tmp_path / "locator", locator_config())
    return tmp_path / "locator"


def body(side: int = 64) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    inside = ((x - side / 2) / (side * 0.4)) ** 2 + ((y - side / 2) / (side * 0.3)) ** 2 < 1
    noise = np.random.default_rng(0).normal(40, 200, (side, side))
    return np.where(inside, noise, -1024).astype(np.int16)[None]


@pytest.fixture
def ct() -> SourceImage:
    affine = np.diag([4.0, 4.0, 5.0, 1.0])
    return SourceImage(
        body(), spacing_mm=(5.0, 4.0, 4.0), affine=affine, modality="CT", intensity_unit="HU", volume=True,
        convention="radiological", patient_side_known=True,
    )  # fmt: skip
