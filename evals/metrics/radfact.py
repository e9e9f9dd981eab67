"""RadFact's six numbers from verdicts that a judge model has given.

Bannur et al. (MAIRA-2), arXiv 2406.04449, and the published package. Precision is counted on the generated
sentences, recall on the reference's. Logical: entailed / all. Spatial: spatially entailed / all with boxes.
Grounding: spatially entailed / entailed with boxes. Calls no judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from foveate.evals.metrics.boxes import as_boxes

Box = tuple[float, float, float, float]
RASTER = 224
COVERED = 0.5


@dataclass(frozen=True)
class Sentence:
    """One judged sentence. `boxes` None where it has none; `evidence` the boxes of the sentences of the other
    report that the judge named. (x_min, y_min, x_max, y_max), each 0 to 1 of the image.

    A judge that failed gave no entailment: `entailed` False.
    """

    entailed: bool
    boxes: tuple[Box, ...] | None = None
    evidence: tuple[Box, ...] = ()


@dataclass(frozen=True)
class RadFact:
    """The six numbers; NaN where the denominator is 0."""

    logical_precision: float
    logical_recall: float
    spatial_precision: float
    spatial_recall: float
    grounding_precision: float
    grounding_recall: float


def radfact(generated: Sequence[Sentence], reference: Sequence[Sentence]) -> RadFact:
    """RadFact of one report."""
    precision, recall = _shares(generated), _shares(reference)
    return RadFact(precision[0], recall[0], precision[1], recall[1], precision[2], recall[2])


def mean_radfact(reports: Sequence[RadFact]) -> RadFact:
    """Mean over reports of each number, reports in which it is NaN left out (as published)."""
    columns = [np.array([getattr(r, field.name) for r in reports], float) for field in fields(RadFact)]
    kept = [column[~np.isnan(column)] for column in columns]
    return RadFact(*(float(column.mean()) if column.size else float("nan") for column in kept))


def spatially_entailed(sentence: Sentence) -> bool:
    """Entailed, and more than half of its own boxes' pixels lie in the evidence's boxes."""
    if not (sentence.entailed and sentence.boxes and sentence.evidence):
        return False
    own, evidence = _raster(sentence.boxes), _raster(sentence.evidence)
    return bool(own.any() and np.count_nonzero(own & evidence) / np.count_nonzero(own) > COVERED)


def _shares(sentences: Sequence[Sentence]) -> tuple[float, float, float]:
    """(logical, spatial, grounding) of one direction."""
    boxed = [sentence for sentence in sentences if sentence.boxes]
    entailed = sum(sentence.entailed for sentence in sentences)
    spatial = sum(spatially_entailed(sentence) for sentence in boxed)
    grounded = sum(sentence.entailed for sentence in boxed)
    return _ratio(entailed, len(sentences)), _ratio(spatial, len(boxed)), _ratio(spatial, grounded)


def _raster(boxes: Sequence[Box]) -> npt.NDArray[np.bool_]:
    """Union of boxes on the published 224 x 224 raster, corners cut down to whole pixels."""
    mask = np.zeros((RASTER, RASTER), dtype=bool)
    checked = as_boxes(boxes)
    if checked.size and (checked.min() < 0 or checked.max() > 1):
        raise ValueError("RadFact's boxes are shares of the image, 0 to 1")
    for x0, y0, x1, y1 in (checked * RASTER).astype(int):
        mask[y0:y1, x0:x1] = True
    return mask


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
