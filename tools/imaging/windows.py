"""Intensity windows: which source intensities become black and which white.

This module does not know images or views. The named presets are CT windows in Hounsfield units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


class WindowError(ValueError):
    """A window that cannot be applied; one sentence that says which and what to do."""


@dataclass(frozen=True, slots=True)
class Window:
    """Intensities from ``center - width / 2`` (black) to ``center + width / 2`` (white)."""

    center: float
    width: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.center) and math.isfinite(self.width) and self.width > 0):
            raise WindowError(
                f"The window center {self.center} width {self.width} cannot be used: "
                "both must be finite and the width above zero."
            )

    @property
    def low(self) -> float:
        return self.center - self.width / 2

    @property
    def high(self) -> float:
        return self.center + self.width / 2


PRESETS: dict[str, Window] = {
    "lung": Window(-600, 1500),
    "soft tissue": Window(40, 400),
    "bone": Window(400, 1800),
    "liver": Window(60, 160),
    "mediastinum": Window(40, 350),
    "brain": Window(40, 80),
    "stroke": Window(35, 40),
    "subdural": Window(75, 215),
    "angio": Window(300, 600),
    "fat": Window(-100, 300),
}
"""CT presets, (center, width) in Hounsfield units, as reading rooms use them."""


def window_named(name: str) -> Window:
    """The preset of that name; letter case, ``_`` and ``-`` do not matter. Raises WindowError."""
    window = PRESETS.get(" ".join(name.lower().replace("_", " ").replace("-", " ").split()))
    if window is None:
        raise WindowError(f"There is no window named {name[:40]!r}; known are: {', '.join(PRESETS)}.")
    return window


def apply_window(array: npt.NDArray[Any], window: Window) -> npt.NDArray[np.uint8]:
    """Intensities (any shape) to 0..255, linear inside the window and flat outside it.

    NaN becomes black. Follows DICOM's LINEAR_EXACT function (PS3.3 C.11.2.1.3.2).
    """
    scaled = np.subtract(array, window.low, dtype=np.float32)
    scaled *= np.float32(255.0 / window.width)
    scaled += np.float32(0.5)
    if np.issubdtype(array.dtype, np.floating):
        np.nan_to_num(scaled, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    np.clip(scaled, 0.0, 255.0, out=scaled)
    shown: npt.NDArray[np.uint8] = scaled.astype(np.uint8)
    return shown
