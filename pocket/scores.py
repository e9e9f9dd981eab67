"""How right one answer of the pocket report is, what a guess without looking would score, and intervals.

The guesses are a location prior (the mean box of patients A and B relative to the body) and the whole image.
Knows nothing of models or of tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from foveate.pocket.anatomy import structures
from foveate.pocket.asked import RELATIONS, box_of, mask_of
from foveate.pocket.data import load_patient

Row = dict[str, Any]
Corners = tuple[float, float, float, float]


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1); 0 where they do not meet."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def body_box(patient: str, index: int) -> Corners:
    """The box of everything denser than -300 HU in the largest block of rows and columns of a slice."""
    from scipy import ndimage

    mask = ndimage.binary_opening(load_patient(patient).hu[index] > -300, iterations=2)
    labels, count = ndimage.label(mask)
    if not count:
        rows, cols = mask.shape
        return 0.0, 0.0, float(cols), float(rows)
    largest = 1 + int(np.argmax(ndimage.sum_labels(mask, labels, range(1, count + 1))))
    rows, cols = np.nonzero(labels == largest)
    return float(cols.min()), float(rows.min()), float(cols.max()) + 1, float(rows.max()) + 1


@cache
def prior_of(name: str) -> Corners | None:
    """Mean box relative to the body over the slices of A and B that show the structure; None: never shown."""
    structure = next(s for s in structures() if s.name == name)
    shares = []
    for patient in "AB":
        held = load_patient(patient)
        for index in range(held.hu.shape[0]):
            mask = mask_of(held, index, structure)
            if mask.sum() >= 12:
                rows, cols = np.nonzero(mask)
                x0, y0, x1, y1 = body_box(patient, index)
                across, down = x1 - x0, y1 - y0
                box = (cols.min() - x0) / across, (rows.min() - y0) / down, (cols.max() + 1 - x0) / across
                shares.append((*box, (rows.max() + 1 - y0) / down))
    return None if not shares else tuple(float(v) for v in np.mean(shares, 0))  # type: ignore[return-value]


@cache
def prior_box(index: int, name: str) -> Corners:
    """The location prior's guess on a slice of patient C in source pixels."""
    share = prior_of(name)
    x0, y0, x1, y1 = body_box("C", index)
    if share is None:
        return x0, y0, x1, y1
    across, down = x1 - x0, y1 - y0
    return x0 + share[0] * across, y0 + share[1] * down, x0 + share[2] * across, y0 + share[3] * down


def whole_image() -> Corners:
    """A slice of patient C from edge to edge."""
    _, rows, cols = load_patient("C").hu.shape
    return 0.0, 0.0, float(cols), float(rows)


def answered_box(row: Row) -> Corners | None:
    """The first box that a positive claim rests on; None where the answer gives none."""
    return tuple(row["boxes"][0]["box"]) if row["boxes"] else None


def _iou_with_label(row: Row, box: Corners | None) -> float:
    item = row["item"]
    truth = box_of(item["patient"], item["slice_index"], item["a"])
    return 0.0 if box is None or truth is None else iou(box, truth)


def box_iou(row: Row) -> float:
    """IoU of the answered box with the label's; no box scores 0."""
    return _iou_with_label(row, answered_box(row))


def prior_iou(row: Row) -> float:
    """What the location prior would have scored."""
    return _iou_with_label(row, prior_box(row["item"]["slice_index"], row["item"]["a"]))


def whole_iou(row: Row) -> float:
    """What a box round the whole slice would have scored."""
    return _iou_with_label(row, whole_image())


def said_yes(row: Row) -> bool:
    """A positive claim that the agent counts as supported, and no abstention."""
    return not row["abstained"] and any(c["present"] and c["supported"] for c in row["claims"])


def right_relation(row: Row) -> bool:
    """The claim must say the relation that was asked for, or deny just that one; anything else is wrong."""
    texts = [c["text"] for c in row["claims"] if c["present"]]
    relation = RELATIONS[row["item"]["kind"].removeprefix("relation ")]
    holds, fails = (any(f"is {w}{relation} the" in text for text in texts[:1]) for w in ("", "not "))
    return holds != fails and holds is bool(row["item"]["truth"])


def right_side(row: Row) -> bool:
    """Answer and claims say image right for a structure right of the middle; both or neither is wrong."""
    claimed = [c["text"] for c in row["claims"] if c["present"]]
    texts = " ".join([row["answer"], *claimed]) if claimed else ""
    right, left = "image right" in texts, "image left" in texts
    return right != left and right is bool(row["item"]["truth"])


def interval(
    by_slice: dict[int, list[float]], mean: Callable[[list[float]], float], seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of 2,000 bootstrap samples of whole slices."""
    rng, slices = np.random.default_rng(seed), list(by_slice)
    draws = []
    for _ in range(2000):
        drawn = rng.choice(len(slices), len(slices))
        values = [v for k in drawn for v in by_slice[slices[k]]]
        draws.append(mean(values) if values else np.nan)
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return float(low), float(high)


def macro_interval(
    rows: list[Row], value: Callable[[Row], float], seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """(mean over structures of the mean over slices, its interval by bootstrap of slices)."""
    names = sorted({r["item"]["a"] for r in rows})
    slices = sorted({r["item"]["slice_index"] for r in rows})
    table = np.full((len(slices), len(names)), np.nan)
    for r in rows:
        table[slices.index(r["item"]["slice_index"]), names.index(r["item"]["a"])] = value(r)
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(2000):
        sample = table[rng.choice(len(slices), len(slices))]
        seen = ~np.isnan(sample).all(0)
        draws.append(np.nanmean(sample[:, seen], 0).mean())
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(np.nanmean(table, 0).mean()), (float(low), float(high))
