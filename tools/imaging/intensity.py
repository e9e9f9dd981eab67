"""Intensities as they are kept: int16 where that is exact, float32 otherwise, always finite.

It does not know files. Everything it changes is told in the notes it returns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from foveate.tools.imaging.image import full_range_window
from foveate.tools.imaging.windows import PRESETS, Window

_BELOW_AIR = -1500  # no tissue and no noise is there: scanners mark what lies outside their circle so
_AIR = -1024
Pixels = npt.NDArray[Any]


def scaled(raw: Pixels, slope: float, intercept: float) -> Pixels:
    """``raw * slope + intercept``, in integers when that is exact."""
    if slope == 1 and intercept == 0:
        return raw
    if slope == 1 and float(intercept).is_integer() and raw.dtype.kind in "iub" and raw.dtype.itemsize <= 2:
        low, high = int(raw.min()) + int(intercept), int(raw.max()) + int(intercept)
        if low >= -32768 and high <= 32767:
            # modulo 2**16 on the way, right in the end; no wider copy of a whole volume
            return np.add(raw, intercept, dtype=np.int16, casting="unsafe")
    return raw.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def kept(values: Pixels, notes: list[str]) -> Pixels:
    """The values as int16 when they are whole and small enough, else float32; uint8 stays.

    NaN and infinities become the smallest finite value, with a note. Raises ValueError when none is finite.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind in "iub":
        if values.dtype == np.int16 or (values.min() >= -32768 and values.max() <= 32767):
            return values.astype(np.int16)
        return values.astype(np.float32)
    values = values.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.all():
        if not finite.any():
            raise ValueError("no finite intensity")
        lowest = values[finite].min()
        notes.append(f"{int((~finite).sum())} pixels without a finite value were set to {lowest:g}")
        values[~finite] = lowest
    if values.min() >= -32768 and values.max() <= 32767 and np.array_equal(values, np.rint(values)):
        return values.astype(np.int16)
    return values


def looks_like_hounsfield(values: Pixels) -> bool:
    """Whether whole numbers spread from air to tissue as only a CT's do."""
    if values.dtype != np.int16:
        return False
    sample = values.ravel("K")[:: max(1, values.size // 100_000)]  # "K" copies neither order
    inside = sample[sample > _BELOW_AIR]
    if not inside.size or inside.min() > -800 or np.percentile(inside, 1) < -1100:
        return False
    return bool(100 <= np.percentile(inside, 99.9) <= 4000)


def without_padding(values: Pixels, notes: list[str]) -> Pixels:
    """CT values with what scanners write outside their field of view (such as -2048) set to air."""
    outside = values < _BELOW_AIR
    if not outside.any():
        return values
    notes.append(f"padding outside the field of view was set to {_AIR} HU")
    return np.where(outside, values.dtype.type(_AIR), values)


def default_window(values: Pixels, modality: str | None) -> Window:
    """Soft tissue for CT, the whole range of 8-bit pictures' values, else almost all of the intensities."""
    if modality == "CT":
        return PRESETS["soft tissue"]
    if values.dtype == np.uint8 and modality not in (None, "SEG"):
        return Window(127.5, 255.0)
    return full_range_window(values if values.dtype != np.uint8 else values.astype(np.int16))
