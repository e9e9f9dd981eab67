"""A grounder's heat map in memory, and as a file of the run's folder. Knows no run and no score."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foveate.evals.contract.answers import HeatMap
from foveate.evals.contract.questions import Corners

HEATMAPS = "heatmaps"


@dataclass(frozen=True)
class Heat:
    """float32 (height, width) over `extent`, in source pixels, of a slice of a question's first image."""

    values: npt.NDArray[np.float32] = field(repr=False, compare=False)
    extent: Corners
    slice_index: int


def save_heat(run: Path, name: str, heat: Heat) -> HeatMap:
    """Writes a question's heat map, whole or not at all; the file is named within the run's folder."""
    file = f"{HEATMAPS}/{sha256(name.encode()).hexdigest()[:24]}.npz"
    (run / HEATMAPS).mkdir(exist_ok=True)
    part = run / f"{file}.part"
    with part.open("wb") as stream:
        np.savez_compressed(stream, heat=heat.values.astype(np.float32))
    os.replace(part, run / file)
    return HeatMap(file, heat.extent, slice_index=heat.slice_index)
