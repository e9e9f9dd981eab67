"""Boxes and heat maps put together: proposals scored by a map, two maps merged. Knows arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from skimage.metrics import structural_similarity

from foveate.tools.grounding.boxes import suppressed
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.fusion import Boxes, Floats

Heat = npt.NDArray[np.floating[Any]]
Corners = tuple[float, float, float, float]
Merge = Literal["bbm", "product", "mean"]
SSIM_WINDOW = 7


def integral_image(heat: Heat) -> Floats:
    """(h, w) → (h + 1, w + 1): sums over all pixels above and to the left of each corner."""
    sums = np.zeros((heat.shape[0] + 1, heat.shape[1] + 1))
    sums[1:, 1:] = heat.astype(np.float64).cumsum(0).cumsum(1)
    return sums


def heat_sums(heat: Heat, boxes: Boxes) -> Floats:
    """The heat in each box (n, 4) of pixel edges, with fractions of pixels at its rim → (n,)."""
    sums = integral_image(heat)
    x0, y0, x1, y1 = np.asarray(boxes, dtype=np.float64).reshape(-1, 4).T
    return np.asarray(_at(sums, x1, y1) - _at(sums, x0, y1) - _at(sums, x1, y0) + _at(sums, x0, y0))


def heat_scores(heat: Heat, boxes: Boxes, weights: Sequence[float]) -> Floats:
    """w · ΣH / √area of each box (n, 4) in pixels of the map (GroundVLP, arXiv 2312.15043) → (n,): between
    the sum, which favours large boxes, and the mean, which favours small ones."""
    array = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    areas = (array[:, 2:] - array[:, :2]).prod(1)
    return np.asarray(np.asarray(weights, dtype=np.float64) * heat_sums(heat, array) / np.sqrt(areas))


def best_shares(
    heat: Heat, boxes: Sequence[Corners], weights: Sequence[float], iou: float, keep: float
) -> list[tuple[int, float]]:
    """(place, share of the best `heat_scores`) of the boxes that overlap no better one by more than `iou` and
    have at least `keep` of the best score, best first; none where the map is cold or there is no box."""
    scores = heat_scores(heat, boxes, weights)
    top = float(scores.max(initial=0.0))
    kept = suppressed(boxes, scores.tolist(), iou) if top > 0 else []
    return [(i, share) for i in kept if (share := float(scores[i]) / top) >= keep]


def merged(first: Heat, second: Heat, how: Merge) -> npt.NDArray[np.float32]:
    """Two maps (h, w), each min–max scaled, made one and scaled again to [0, 1].

    "bbm" is the merge of Generate to Ground (arXiv 2507.12236) for any two maps M, A: with s = max(0, SSIM),
    2s(1−s)·(M + A + M·A)/2 + (1−s)²·A + s²·M; its weights go by how far the two agree.
    """
    m, a = _scaled(first), _scaled(second)
    if how == "bbm":
        s = similarity(m, a)
        return _scaled(s * (1 - s) * (m + a + m * a) + (1 - s) ** 2 * a + s**2 * m)
    return _scaled(m * a if how == "product" else (m + a) / 2)


def similarity(first: Heat, second: Heat) -> float:
    """SSIM of two maps (h, w), each min–max scaled, not below 0: the s of "bbm". Maps smaller than its window
    are compared by a smaller one; raises GrounderError for maps too small for any."""
    side = min(SSIM_WINDOW, *first.shape)
    if side < 3:
        raise GrounderError(f"Heat maps of {first.shape} are too small to be compared; show a larger view.")
    window = side - 1 + side % 2
    m, a = _scaled(first), _scaled(second)
    return max(0.0, float(structural_similarity(m, a, win_size=window, data_range=1.0)))


def _at(sums: Floats, x: Floats, y: Floats) -> Floats:
    """The integral image between its corners; bilinear is exact for pixels of constant value."""
    c = np.clip(np.floor(x).astype(np.intp), 0, sums.shape[1] - 2)
    r = np.clip(np.floor(y).astype(np.intp), 0, sums.shape[0] - 2)
    u, v = x - c, y - r
    top = sums[r, c] * (1 - u) + sums[r, c + 1] * u
    low = sums[r + 1, c] * (1 - u) + sums[r + 1, c + 1] * u
    return np.asarray(top * (1 - v) + low * v)


def _scaled(heat: Heat) -> npt.NDArray[np.float32]:
    values = np.asarray(heat, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    return np.zeros_like(values) if high - low < 1e-9 else (values - low) / np.float32(high - low)
