"""RoDeO: robust detection outcome, for labelled boxes without scores.

Meissen et al., MIDL 2023. Boxes are matched by the Hungarian method on GIoU plus a weighted agreement
of labels; location, shape and classification of the matched boxes are each scaled by matched / (matched +
extra + missed), and their harmonic mean is the total. Values agree with the authors' package `rodeometric`
0.0.1, which is not a dependency because it brings scikit-learn and fails with its present versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foveate.evals.metrics.boxes import LabelledBoxes, as_boxes, giou_matrix

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]
_EPSILON = 1e-6  # as published: keeps the harmonic mean finite where a part is 0


@dataclass(frozen=True)
class Rodeo:
    """The three parts and their harmonic mean, all in [0, 1]."""

    localization: float
    shape: float
    classification: float
    total: float


def rodeo(predicted: Sequence[LabelledBoxes], truth: Sequence[LabelledBoxes], classes: int) -> Rodeo:
    """RoDeO over images given in the same order. All parts are 0 when nothing is matched.

    ValueError for fewer than two classes, for which the Matthews coefficient is not defined.
    """
    if classes < 2:
        raise ValueError("RoDeO needs two or more classes")
    weight = max(0.0, _mcc(_present(predicted, classes), _present(truth, classes)))
    pairs = [_matched(p, t, weight) for p, t in zip(predicted, truth, strict=True)]
    given, wanted = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    matched = len(given)
    boxes = sum(len(p.labels) for p in predicted) + sum(len(t.labels) for t in truth)
    if matched == 0:
        return Rodeo(0.0, 0.0, 0.0, 0.0)
    share = matched / (boxes - matched)  # matched + extra + missed counts each matched pair once
    location, shape = share * _location(given, wanted), share * _shape(given, wanted)
    kind = share * max(0.0, _mcc(_one_hot(given[:, 4], classes), _one_hot(wanted[:, 4], classes)))
    total = 3 / sum(1 / (part + _EPSILON) for part in (location, shape, kind))
    return Rodeo(location, shape, kind, total)


def _matched(predicted: LabelledBoxes, truth: LabelledBoxes, weight: float) -> tuple[Floats, Floats]:
    """Matched rows (x0, y0, x1, y1, label) of prediction and truth. Every box that can be paired is."""
    from scipy.optimize import linear_sum_assignment  # slow to import, and not needed to list tasks

    given, wanted = _rows(predicted), _rows(truth)
    alike = given[:, None, 4] == wanted[None, :, 4]
    gain = giou_matrix(given[:, :4], wanted[:, :4]) + weight * alike
    rows, cols = linear_sum_assignment(gain, maximize=True)
    return given[rows], wanted[cols]


def _rows(image: LabelledBoxes) -> Floats:
    boxes = as_boxes(image.boxes)
    if len(boxes) != len(image.labels):
        raise ValueError(f"{len(boxes)} boxes need as many labels, not {len(image.labels)}")
    return np.column_stack([boxes, np.asarray(image.labels, dtype=np.float64)])


def _location(given: Floats, wanted: Floats) -> float:
    """exp(-ln 2 d^2), d the distance of centres in units of the true box's width and height."""
    size = wanted[:, 2:4] - wanted[:, :2]
    offset = ((given[:, :2] + given[:, 2:4]) - (wanted[:, :2] + wanted[:, 2:4])) / 2 / size
    return float(np.exp2(-(offset**2).sum(axis=1)).mean())


def _shape(given: Floats, wanted: Floats) -> float:
    """IoU of the two boxes moved to a common corner."""
    a, b = given[:, 2:4] - given[:, :2], wanted[:, 2:4] - wanted[:, :2]
    shared = np.minimum(a, b).prod(axis=1)
    return float((shared / (a.prod(axis=1) + b.prod(axis=1) - shared)).mean())


def _one_hot(labels: Floats, classes: int) -> npt.NDArray[np.bool_]:
    return np.asarray(labels[:, None] == np.arange(classes)[None, :])


def _present(images: Sequence[LabelledBoxes], classes: int) -> npt.NDArray[np.bool_]:
    """Which classes each image holds (images, classes)."""
    return np.array([[c in image.labels for c in range(classes)] for image in images], dtype=bool)


def _mcc(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    """Matthews correlation of two binary tables; 0 where it is not defined, as in scikit-learn."""
    x, y = a.ravel().astype(float), b.ravel().astype(float)
    spread = x.std() * y.std() if x.size else 0.0
    return 0.0 if spread == 0 else float(((x - x.mean()) * (y - y.mean())).mean() / spread)
