"""How well a heat map points at a region: threshold mIoU, fg/bg mIoU, CNR, AUC-ROC, pointing game.

A heat map is a float array (height, width); a mask is a bool array of the same shape; boxes are (x0, y0, x1,
y1) in the map's pixels, pixel-edge coordinates, origin top-left. NaN marks pixels that the model never saw
(a centre crop): they are never predicted, so they count against IoU where the truth covers them, and they
have no value, so CNR and AUC leave them out. Knows nothing of how a map was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from foveate.evals.metrics.ranking import auroc

HeatMap = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)


def mask_of_boxes(boxes: Sequence[Sequence[float]], height: int, width: int) -> Mask:
    """Union of boxes (x0, y0, x1, y1) as a bool mask (height, width): pixels whose centre lies inside.

    Raises ValueError for a box that is empty, reversed or not finite.
    """
    mask = np.zeros((height, width), dtype=bool)
    for x0, y0, x1, y1 in boxes:
        if not (x1 > x0 and y1 > y0 and np.isfinite([x0, y0, x1, y1]).all()):
            raise ValueError(f"the box [{x0:g}, {y0:g}, {x1:g}, {y1:g}] is empty, reversed or not finite")
        rows = slice(max(0, int(np.ceil(y0 - 0.5))), max(0, int(np.ceil(y1 - 0.5))))
        cols = slice(max(0, int(np.ceil(x0 - 0.5))), max(0, int(np.ceil(x1 - 0.5))))
        mask[rows, cols] = True
    return mask


def min_max(heatmap: HeatMap) -> HeatMap:
    """The map rescaled to [0, 1]; NaN stays NaN. A constant map points nowhere and becomes all zeros."""
    low, high = np.nanmin(heatmap), np.nanmax(heatmap)
    if not np.isfinite(high - low):
        raise ValueError("a heat map must be finite, or NaN where the model saw nothing")
    scaled = heatmap - low
    return scaled if high == low else scaled / (high - low)


def mask_iou(predicted: Mask, truth: Mask) -> float:
    """Pixel IoU of two masks; 1.0 when both are empty, for then they agree."""
    _same_shape(predicted, truth)
    union = int(np.count_nonzero(predicted | truth))
    return 1.0 if union == 0 else int(np.count_nonzero(predicted & truth)) / union


def threshold_ious(
    heatmap: HeatMap, truth: Mask, thresholds: Sequence[float] = THRESHOLDS, *, rescale: bool = True
) -> tuple[float, ...]:
    """Pixel IoU of {map > t} with the truth for each threshold t, the map min-max scaled first."""
    _same_shape(heatmap, truth)
    scaled = min_max(heatmap) if rescale else heatmap
    return tuple(mask_iou(scaled > threshold, truth) for threshold in thresholds)


def threshold_miou(
    heatmap: HeatMap, truth: Mask, thresholds: Sequence[float] = THRESHOLDS, *, rescale: bool = True
) -> float:
    """`miou_heat`: mean over t in {.1, .2, .3, .4, .5} of the pixel IoU of {map > t} with the union of boxes.

    Vilouras et al., arXiv 2404.12920; Boecking et al. (BioViL), arXiv 2204.09817. Not comparable with
    `fgbg_miou` nor with the mean box IoU. With `rescale` False a map already in [0, 1] is taken as it is.
    """
    return float(np.mean(threshold_ious(heatmap, truth, thresholds, rescale=rescale)))


def fgbg_miou(predicted: Mask, truth: Mask) -> float:
    """`miou_fgbg`: (IoU of the foreground + IoU of the background) / 2 of a binary prediction.

    Nuetzel et al. (Generate to Ground), arXiv 2507.12236. An empty prediction already earns about half of
    the background's share, so the number is high where regions are small.
    """
    return (mask_iou(predicted, truth) + mask_iou(~predicted, ~truth)) / 2


def cnr(heatmap: HeatMap, inside: Mask, *, ddof: int = 0) -> float:
    """Signed contrast-to-noise ratio (mean_in - mean_out) / sqrt(var_in + var_out); abs() makes it absolute.

    `ddof` 1 is the unbiased variance of 2507.12236. NaN when a side has no pixel (or one, at ddof 1); a map
    that is constant on both sides gives 0 where they are equal and +-inf where they differ.
    """
    _same_shape(heatmap, inside)
    seen = ~np.isnan(heatmap)
    on, off = heatmap[seen & inside], heatmap[seen & ~inside]
    if min(on.size, off.size) <= ddof:
        return float("nan")
    # Subtracting a common value first keeps a constant map at exactly no contrast in floating point.
    on, off = on.astype(float) - float(off[0]), off.astype(float) - float(off[0])
    contrast = float(on.mean() - off.mean())
    noise = float(np.sqrt(on.var(ddof=ddof) + off.var(ddof=ddof)))
    if noise > 0:
        return contrast / noise
    return 0.0 if contrast == 0 else float(np.copysign(np.inf, contrast))


def cnr_union(heatmap: HeatMap, truth: Mask) -> float:
    """Signed CNR of the union of all boxes with unbiased variance, as in arXiv 2507.12236."""
    return cnr(heatmap, truth, ddof=1)


def cnr_per_box(heatmap: HeatMap, boxes: Sequence[Sequence[float]], *, absolute: bool = False) -> float:
    """Mean over boxes of the (absolute) CNR of one box against all pixels outside it, population variance.

    Follows arXiv 2404.12920 except that its code blanks each box before it reads the next, which makes the
    value depend on the order of boxes; here every box is read from the same map. NaN without boxes.
    """
    values = [cnr(heatmap, mask_of_boxes([box], *heatmap.shape)) for box in boxes]
    return float(np.mean(np.abs(values) if absolute else values)) if values else float("nan")


def auc_roc(heatmap: HeatMap, truth: Mask) -> float:
    """Exact area under the ROC curve of map values against the mask; tied values count one half.

    NaN when all pixels are on one side. The 5-bin AUC of 2404.12920 is coarser and not comparable.
    """
    _same_shape(heatmap, truth)
    seen = ~np.isnan(heatmap)
    return auroc(heatmap[seen], truth[seen])


def peak(heatmap: HeatMap) -> tuple[float, float] | None:
    """(x, y) of the centre of the highest pixel; None for a constant map, which points nowhere.

    Of several equal maxima the first in reading order is taken, as argmax does.
    """
    low, high = np.nanmin(heatmap), np.nanmax(heatmap)
    if low == high:
        return None
    row, col = np.unravel_index(int(np.nanargmax(heatmap)), heatmap.shape)
    return float(col) + 0.5, float(row) + 0.5


def pointing_game(heatmap: HeatMap, truth: Mask, tolerance: float = 0.0) -> bool:
    """Whether the map's highest pixel lies in the mask, or within `tolerance` pixels (Euclidean) of it.

    Zhang et al., arXiv 1608.00507 (tolerance 15 px there); tolerance 0 is RadZero's and 2507.12236's form.
    False for a constant map and for an empty mask.
    """
    _same_shape(heatmap, truth)
    point = peak(heatmap)
    rows, cols = np.nonzero(truth)
    if point is None or rows.size == 0:
        return False
    distance = np.hypot(cols + 0.5 - point[0], rows + 0.5 - point[1])
    return bool(distance.min() <= tolerance)


def _same_shape(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"the map has shape {a.shape} and the mask {b.shape}: both must be one (h, w)")
