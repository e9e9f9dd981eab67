"""COCO's mean average precision for boxes with real scores.

Lin et al., arXiv 1405.0312, as computed by pycocotools: precision at 101 recalls, IoU .50 to .95 in steps of
.05, at most 100 boxes per image and class. Average precision ranks by score: with one score for all boxes it
depends on their order, so `ranked` says whether scores tell boxes apart. Knows no crowd regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foveate.evals.metrics.boxes import LabelledBoxes, as_boxes, iou_matrix, volumes

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
RECALLS = np.linspace(0, 1, 101)
MOST_BOXES = 100
AreaRange = tuple[float, float]
ALL_AREAS: AreaRange = (0.0, 1e10)
AREAS: dict[str, AreaRange] = {
    "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)
}  # fmt: skip


@dataclass(frozen=True)
class Detections(LabelledBoxes):
    """One image's predictions, with a score for each box (n,)."""

    scores: Sequence[float]


@dataclass(frozen=True)
class CocoScore:
    """Means over classes (NaN where no class has truth); `ranked` is False when all scores are equal."""

    map: float
    map50: float
    map75: float
    per_class: dict[int, float]
    ranked: bool


@dataclass(frozen=True)
class ClassMatches:
    """One class over all images: each box's image and score (n,), and at every IoU threshold whether it is a
    hit and whether it is left out (10, n); `objects` are true boxes per image.
    """

    image: Indices
    scores: Floats
    hits: Bools
    ignored: Bools
    objects: Indices


@dataclass(frozen=True)
class CocoMatches:
    """All boxes matched once, so that resamples of images cost little: see `score_matches`."""

    images: int
    classes: dict[int, ClassMatches]
    ranked: bool


def coco_map(
    predicted: Sequence[Detections],
    truth: Sequence[LabelledBoxes],
    *,
    area: AreaRange = ALL_AREAS,
    max_detections: int = MOST_BOXES,
) -> CocoScore:
    """COCO box score over images given in the same order; `area` limits the true boxes by size in pixels."""
    return score_matches(match_detections(predicted, truth, area=area, max_detections=max_detections))


def match_detections(
    predicted: Sequence[Detections],
    truth: Sequence[LabelledBoxes],
    *,
    area: AreaRange = ALL_AREAS,
    max_detections: int = MOST_BOXES,
) -> CocoMatches:
    """The matching of every image and class, which does not depend on which images are then counted."""
    if len(predicted) != len(truth):
        raise ValueError(f"{len(truth)} images need as many predictions, not {len(predicted)}")
    classes = sorted({label for image in truth for label in image.labels})
    scores = {score for image in predicted for score in image.scores}
    boxes = sum(len(image.scores) for image in predicted)
    return CocoMatches(
        images=len(truth),
        classes={c: _class_matches(predicted, truth, c, area, max_detections) for c in classes},
        ranked=boxes < 2 or len(scores) > 1,
    )


def match_class(predicted: Detections, truth: LabelledBoxes, label: int) -> ClassMatches:
    """The matching of one image and one class, which may have no true box there."""
    return _class_matches([predicted], [truth], label, ALL_AREAS, MOST_BOXES)


def join_matches(parts: Sequence[tuple[int, ClassMatches]]) -> CocoMatches:
    """The matching of all images together, from that of each, about one class: (class, `match_class`)."""
    numbers: dict[int, list[int]] = {}
    for number, (label, _) in enumerate(parts):
        numbers.setdefault(label, []).append(number)
    classes = {
        label: _joined([(k, parts[k][1]) for k in held], len(parts)) for label, held in numbers.items()
    }
    scores = np.concatenate([held.scores for held in classes.values()]) if classes else np.empty(0)
    ranked = scores.size < 2 or np.unique(scores).size > 1
    return CocoMatches(images=len(parts), classes=dict(sorted(classes.items())), ranked=ranked)


def _joined(parts: Sequence[tuple[int, ClassMatches]], images: int) -> ClassMatches:
    objects = np.zeros(images, dtype=np.intp)
    for number, held in parts:
        objects[number] = held.objects[0]
    return ClassMatches(
        image=np.concatenate([np.full(held.scores.size, number) for number, held in parts]),
        scores=np.concatenate([held.scores for _, held in parts]),
        hits=np.concatenate([held.hits for _, held in parts], axis=1),
        ignored=np.concatenate([held.ignored for _, held in parts], axis=1),
        objects=objects,
    )


def score_matches(matches: CocoMatches, images: Indices | None = None) -> CocoScore:
    """The score over all images, or over the given ones with repeats (a bootstrap's resample)."""
    drawn = np.arange(matches.images) if images is None else images
    copies = np.bincount(drawn, minlength=matches.images)
    table = {label: _precisions(held, copies) for label, held in matches.classes.items()}
    counted = {label: values for label, values in table.items() if not np.isnan(values).any()}
    means = np.mean(list(counted.values()), axis=0) if counted else np.full(len(IOU_THRESHOLDS), np.nan)
    return CocoScore(
        map=float(means.mean()),
        map50=float(means[IOU_THRESHOLDS.index(0.5)]),
        map75=float(means[IOU_THRESHOLDS.index(0.75)]),
        per_class={label: float(values.mean()) for label, values in counted.items()},
        ranked=matches.ranked,
    )


def _class_matches(
    predicted: Sequence[Detections], truth: Sequence[LabelledBoxes], label: int, area: AreaRange, limit: int
) -> ClassMatches:
    parts = [_image(p, t, label, area, limit) for p, t in zip(predicted, truth, strict=True)]
    return ClassMatches(
        image=np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts]),
        scores=np.concatenate([part[0] for part in parts]),
        hits=np.concatenate([part[1] for part in parts], axis=1),
        ignored=np.concatenate([part[2] for part in parts], axis=1),
        objects=np.array([part[3] for part in parts], dtype=np.intp),
    )


def _precisions(held: ClassMatches, copies: Indices) -> Floats:
    """Average precision of one class at every IoU threshold; NaN when no true box counts."""
    objects = int((held.objects * copies).sum())
    if objects == 0:
        return np.full(len(IOU_THRESHOLDS), np.nan)
    boxes = np.repeat(np.arange(held.image.size), copies[held.image])
    order = boxes[np.argsort(-held.scores[boxes], kind="mergesort")]
    pairs = zip(held.hits[:, order], held.ignored[:, order], strict=True)
    return np.array([_average_precision(hit[~skip], objects) for hit, skip in pairs])


def _image(
    predicted: Detections, truth: LabelledBoxes, label: int, area: AreaRange, limit: int
) -> tuple[Floats, Bools, Bools, int]:
    """(scores, hits, ignored, counted objects) of one image and class, best boxes first."""
    if label not in predicted.labels and label not in truth.labels:
        none = np.empty((len(IOU_THRESHOLDS), 0), dtype=bool)
        return np.empty(0), none, none, 0
    chosen = np.flatnonzero(np.asarray(predicted.labels, dtype=int) == label)
    scores = np.asarray(predicted.scores, dtype=np.float64)[chosen]
    if not np.isfinite(scores).all():
        raise ValueError("average precision needs a finite score for every box")
    order = np.argsort(-scores, kind="mergesort")[:limit]
    given = as_boxes(predicted.boxes)[chosen][order]
    wanted = as_boxes(truth.boxes)[np.flatnonzero(np.asarray(truth.labels, dtype=int) == label)]
    outside = _outside(wanted, area)
    last = np.argsort(outside, kind="mergesort")  # boxes that do not count are matched last
    hits, skip = _match_all(iou_matrix(given, wanted[last]), outside[last])
    return scores[order], hits, skip | (~hits & _outside(given, area)[None]), int((~outside).sum())


def _outside(boxes: Floats, area: AreaRange) -> Bools:
    sizes = volumes(boxes)
    return np.asarray((sizes < area[0]) | (sizes > area[1]))


def _match_all(overlaps: Floats, outside: Bools) -> tuple[Bools, Bools]:
    """(hit, ignored), each (thresholds, boxes): greedy matching in order of score at every threshold."""
    hits = np.zeros((len(IOU_THRESHOLDS), overlaps.shape[0]), dtype=bool)
    ignored = hits.copy()
    for level, threshold in enumerate(IOU_THRESHOLDS):
        free = np.ones(overlaps.shape[1], dtype=bool)
        for index, row in enumerate(overlaps):
            best = _best_free(row, free, outside, threshold)
            if best is not None:
                free[best] = False
                hits[level, index] = True
                ignored[level, index] = outside[best]
    return hits, ignored


def _best_free(row: Floats, free: Bools, outside: Bools, threshold: float) -> int | None:
    """The free true box of greatest IoU >= threshold, one that counts before one that does not; the last of
    equals, as pycocotools does.
    """
    for allowed in (free & ~outside, free & outside):
        candidates = np.where(allowed & (row >= threshold), row, -1.0)
        if candidates.size and candidates.max() >= 0:
            return int(np.flatnonzero(candidates == candidates.max())[-1])
    return None


def _average_precision(hits: Bools, objects: int) -> float:
    """Mean over 101 recalls of the best precision at that recall or beyond."""
    true = np.cumsum(hits)
    recall = true / objects
    precision = true / np.arange(1, hits.size + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    # beyond the recall that was reached, precision is 0
    return float(np.append(envelope, 0.0)[np.searchsorted(recall, RECALLS, side="left")].mean())
