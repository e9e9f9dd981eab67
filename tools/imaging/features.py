"""What can be measured of a picture's quality, one number a feature, without knowing what is good or bad.

Pictures are uint8 [row, col], intensities in the answers shares of the range (0 to 1). Whole-array integer
arithmetic: the gate looks at every question's image, and scipy's rank filters and scikit-image's float64 cost
many times as much for the same numbers (held together by tests/imaging/test_features.py). Knows no view, no
limit and no verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int16] | npt.NDArray[np.int32]
COARSE = 4
TOP = 255.0
BLACK, WHITE = 5, 250
"""The darkest 2 % of the range end at the one, the brightest begin at the other."""
STRAY = 64
"""How far from the median of its neighbours a stray pixel is: a quarter of the range."""
VARIED = 10
"""From the darkest to the brightest of a place where there is something to see: 4 % of the range."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in a grey value (ITU-R BT.601)."""


def gray_of(pixels: npt.NDArray[Any]) -> Gray:
    """uint8 [row, col] or [row, col, 3] as grey."""
    return np.rint(pixels @ LUMA).astype(np.uint8) if pixels.ndim == 3 else np.ascontiguousarray(pixels)


def features_of(gray: Gray) -> dict[str, float]:
    """All features but the resolution; 0 for those that a picture of less than 8 pixels a side is too small
    for."""
    if min(gray.shape) < 8:
        return {"contrast": contrast(gray), **dict.fromkeys(_MEASURES, 0.0)}
    return {"contrast": contrast(gray), **{name: measure(gray) for name, measure in _MEASURES.items()}}


def contrast(gray: Gray) -> float:
    """From the 0.1th to the 99.9th percentile: one small thing on an even ground is contrast enough."""
    low, high = (_quantile(gray, share) for share in (0.001, 0.999))
    return (high - low) / TOP


def _quantile(values: npt.NDArray[Any], share: float) -> int:
    """The smallest value that this share of small whole numbers does not exceed."""
    counts = np.cumsum(np.bincount(values.ravel()))
    return int(np.searchsorted(counts, share * counts[-1]))


def content(gray: Gray) -> tuple[slice, slice]:
    """(rows, columns) inside those that hold one value only (padding, black borders); empty for none."""
    rows, cols = (np.flatnonzero(np.ptp(gray, axis=axis) > BLACK) for axis in (1, 0))
    if not rows.size or not cols.size:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def blur(gray: Gray) -> float:
    """The blur metric of Crete et al. (2007) with a window of 11 pixels: how little is lost by blurring once
    more, along rows or columns, whichever are blurred more; 0 sharp, 1 blurred. An even picture counts as
    sharp: contrast is what it lacks.

    Measured on the pixels and on blocks of 4 x 4 of them, where there are enough: very much blur leaves steps
    between 8-bit intensities that are sharp by themselves.
    """
    if np.ptp(gray) <= BLACK:
        return 0.0
    scales = [gray.astype(np.int16)]
    if min(gray.shape) >= COARSE * 64:
        scales.append(blocks(gray, COARSE).sum(axis=(1, 3), dtype=np.int32))
    return max(_blur_down(np.ascontiguousarray(way)) for wide in scales for way in (wide, wide.T))


def blocks(gray: Gray, side: int) -> Gray:
    """[row, row in a block, column, column in a block] of whole blocks; what is left over is left out."""
    rows, cols = (size // side for size in gray.shape)
    return gray[: rows * side, : cols * side].reshape(rows, side, cols, side)


def _blur_down(wide: Ints) -> float:
    """Of Sobel's steps from row to row. Sums of pixels stay below 11 * 4 * 255, within 16 bits."""
    across = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    padded = np.pad(across, ((5, 5), (0, 0)), mode="symmetric")
    two = padded[:-1] + padded[1:]
    four = two[:-2] + two[2:]
    eleven = four[:-7] + four[4:-3] + two[8:-1] + padded[10:]
    # two pixels from the edges, as published
    sharp, blurred = (np.abs(each[2:] - each[:-2])[1:-1, 1:-1] for each in (across, eleven))
    total = int(sharp.sum(dtype=np.int64))
    lost = int(np.maximum(11 * sharp - blurred, 0).sum(dtype=np.int64))
    return 1.0 - lost / (11 * total) if total else 0.0


def noise(gray: Gray) -> float:
    """Immerkær's estimate of the standard deviation (1996), by the median instead of the mean so that edges
    count little, where the picture is neither black nor white nor padding."""
    inner = gray[content(gray)].astype(np.int16)
    if min(inner.shape) < 3:
        return 0.0
    # his mask is the outer product of two second differences
    answer = np.abs(np.diff(np.diff(inner, 2, axis=0), 2, axis=1))
    between = _between(inner[1:-1, 1:-1])
    if between.sum() < 64:
        return 0.0
    return _quantile(answer[between], 0.5) / TOP / (0.6745 * 6)


def _between(gray: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Neither black nor white."""
    return np.asarray((gray > BLACK) & (gray < WHITE))


def impulses(gray: Gray) -> float:
    """The share of pixels far from the median of their neighbours, black or white."""
    return float((~_between(gray) & (roughness(gray) >= STRAY)).mean())


def roughness(gray: Gray) -> Gray:
    """How far every pixel is from the median of its 3 x 3 neighbours, mirrored at the edges."""
    middle = _median(gray)
    return np.asarray(np.maximum(gray, middle) - np.minimum(gray, middle))


def _median(gray: Gray) -> Gray:
    """Of 3 x 3 pixels: of each column's sorted three, the median of the largest low, the middle middle and
    the smallest high one (Smith, 1996)."""
    padded = np.pad(gray, 1, mode="edge")
    up, mid, down = padded[:-2], padded[1:-1], padded[2:]
    small, large = np.minimum(up, mid), np.maximum(up, mid)
    low, high = np.minimum(small, down), np.maximum(large, down)
    middle = np.maximum(small, np.minimum(large, down))
    lows = np.maximum(np.maximum(low[:, :-2], low[:, 1:-1]), low[:, 2:])
    highs = np.minimum(np.minimum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
    return _middle(lows, _middle(middle[:, :-2], middle[:, 1:-1], middle[:, 2:]), highs)


def _middle(a: Gray, b: Gray, c: Gray) -> Gray:
    return np.asarray(np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c)))


def blockiness(gray: Gray) -> float:
    """How much larger steps are on the strongest of the eight possible grids of 8 pixels than off it
    (after Wang, Bovik & Evans, 2000); the larger of rows and columns."""
    ratios = [1.0]
    for axis in (0, 1):
        steps = np.abs(np.diff(gray.astype(np.int16), axis=axis)).mean(axis=1 - axis) / TOP
        if len(steps) < 32:
            continue
        phases = np.array([float(np.median(steps[phase::8])) for phase in range(8)])
        rest = float(np.median(phases))
        if rest > 1e-4:
            ratios.append(float(phases.max()) / rest)
    return max(ratios)


def repeats(gray: Gray) -> float:
    """The share of grey pixels that equal their neighbour, of rows or of columns, whichever is less, where
    there is something to see: what enlarging a small picture leaves behind."""
    varied = _of_nine(gray, np.maximum) - _of_nine(gray, np.minimum) > VARIED
    between = varied & _between(gray)
    if between.mean() < 0.05:
        return 0.0
    down = (gray[1:] == gray[:-1])[between[:-1]]
    right = (gray[:, 1:] == gray[:, :-1])[between[:, :-1]]
    return min(float(down.mean()), float(right.mean())) if down.size and right.size else 0.0


def _of_nine(gray: Gray, pick: Callable[..., Any]) -> Gray:
    """The largest or smallest of 9 x 9 pixels, by windows of 2, 4, 8 and 9."""
    made = np.pad(gray, 4, mode="edge")
    for step in (1, 2, 4, 1):
        made = pick(made[:-step], made[step:])
    for step in (1, 2, 4, 1):
        made = pick(made[:, :-step], made[:, step:])
    return np.asarray(made)


def clipping(gray: Gray) -> float:
    """The share of white pixels."""
    return float((gray == TOP).mean())


def border(gray: Gray) -> float:
    """The share outside the rectangle that holds anything."""
    return 1 - gray[content(gray)].size / gray.size


_MEASURES: dict[str, Callable[[Gray], float]] = {
    "blur": blur,
    "noise": noise,
    "impulses": impulses,
    "blockiness": blockiness,
    "repeats": repeats,
    "clipping": clipping,
    "border": border,
}
