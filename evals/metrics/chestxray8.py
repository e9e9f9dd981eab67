"""ChestX-ray8's localisation accuracy and average false positives, by IoU or IoBB.

Wang et al., CVPR 2017 (arXiv 1705.02315), section 4.2. IoBB = |predicted and true| / |predicted|. The two
numbers belong together: accuracy alone rises with every sprayed box, and IoBB alone is 1 for any small box
inside the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from foveate.evals.metrics.boxes import Boxes, as_boxes, intersections, iou_matrix, volumes

Overlap = Literal["iou", "iobb"]
THRESHOLDS = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Localization:
    """`accuracy`: share of true boxes that some prediction localises; `average_false_positives`: predicted
    boxes per image that localise none.
    """

    accuracy: float
    average_false_positives: float


def iobb_matrix(predicted: Boxes, truth: Boxes) -> npt.NDArray[np.float64]:
    """Intersection over the predicted box's own area -> (n, m) in [0, 1]; not symmetric."""
    given = as_boxes(predicted)
    return np.asarray(intersections(given, as_boxes(truth)) / volumes(given)[:, None])


def localization(
    predicted: Sequence[Boxes], truth: Sequence[Boxes], threshold: float, overlap: Overlap = "iobb"
) -> Localization:
    """Accuracy and average false positives of one finding over images; a hit is overlap > threshold.

    `predicted` and `truth` hold each image's boxes, in the same order. ValueError when no image has truth.
    """
    table = iobb_matrix if overlap == "iobb" else iou_matrix
    hits = [table(given, wanted) > threshold for given, wanted in zip(predicted, truth, strict=True)]
    found = sum(int(hit.any(axis=0).sum()) for hit in hits)
    wanted_count = sum(hit.shape[1] for hit in hits)
    if wanted_count == 0:
        raise ValueError("localisation accuracy needs at least one true box")
    false = sum(int((~hit.any(axis=1)).sum()) for hit in hits)
    return Localization(found / wanted_count, false / len(hits))
