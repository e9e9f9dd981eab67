"""Box arithmetic that detectors share: centre and size to corners, and non-maximum suppression.

Plain arrays of pixels or fractions; knows no frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foveate.tools.grounding.fusion import Boxes, Floats, overlap


def corners_of(boxes: Boxes, width: float, height: float) -> list[tuple[float, float, float, float]]:
    """(cx, cy, w, h) in fractions of a width x height field, (n, 4) → (x0, y0, x1, y1) in its pixels."""
    cx, cy, w, h = np.asarray(boxes, dtype=np.float64).reshape(-1, 4).T
    edges = np.stack(
        [(cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height]
    )
    return [(float(a), float(b), float(c), float(d)) for a, b, c, d in edges.T]


def suppressed(boxes: Boxes, scores: Sequence[float], iou: float) -> list[int]:
    """Indices of the boxes that remain, best first: none overlaps a better one by more than `iou`."""
    array: Floats = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    kept: list[int] = []
    for index in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable"):
        if not kept or float(overlap(array[kept], array[index]).max()) <= iou:
            kept.append(int(index))
    return kept
