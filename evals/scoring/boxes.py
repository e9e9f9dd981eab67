"""Scores a reading with boxes against true boxes, and names the verdict.

Regions meet only in the same image and plane; across slices they are boxes in three dimensions, one slice
thick where they name no last slice. Only a reading with outcome "read" can earn credit for boxes, and only an
explicit denial ("absent", or the agent's "not visible") credit for an empty target: not being able to tell,
silence, refusal and error are zero everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Region, Target
from foveate.evals.metrics.boxes import iou_matrix
from foveate.evals.metrics.matching import count_matches, matched_mean
from foveate.evals.metrics.readers import disagreement
from foveate.evals.scoring.faults import name_of

Floats = npt.NDArray[np.float64]
Verdict = Literal["correct", "partly", "wrong_box", "false_alarm", "correct_absence", "missed"]
ACCURACY_AT = (0.1, 0.3, 0.5)
HIT = 0.5


def overlaps(predicted: Sequence[Region], truth: Sequence[Region]) -> Floats:
    """IoU of each predicted with each true region -> (n, m); 0 across images and planes."""
    table = iou_matrix([_solid(r) for r in predicted], [_solid(r) for r in truth], dimensions=3)
    same = [[(p.image, p.plane) == (t.image, t.plane) for t in truth] for p in predicted]
    return np.where(np.array(same, dtype=bool).reshape(table.shape), table, 0.0)


def score_boxes(reading: Reading, target: Target) -> Mapping[str, float]:
    """Per-sample values, all in [0, 1].

    With something to find: `miou_box`, the IoU of the prediction's own best box (greatest score when all have
    one, else the first) with its nearest truth, `acc@.1 .3 .5` of it, `matched_iou` (sum of IoUs of Hungarian
    pairs over max(predicted, true)), `precision`, `recall` and `f1` at IoU 0.5. With nothing to find:
    `no_target_acc`, and `false_alarm` 1 for any box.
    """
    regions = _credited(reading)
    if not target.regions:
        return _nothing_to_find(reading)
    table = overlaps(regions, target.regions)
    best = _best_iou(regions, table)
    counts = count_matches(table, HIT)
    accuracy = {f"acc@{level:g}": float(best >= level) for level in ACCURACY_AT}
    return {
        "miou_box": best,
        **accuracy,
        "matched_iou": matched_mean(table),
        "precision": counts.precision if regions else 0.0,
        "recall": counts.recall,
        "f1": counts.f1,
    }


def score_readers(reading: Reading, target: Target) -> Mapping[str, float]:
    """Scores expected over several readers, each drawn alone (Stutz et al., arXiv 2307.02191).

    `expected_iou` and `expected_acc@0.5` of the answer's own best box, and `readers_iou`, of one reader with
    another: the human ceiling. Empty with fewer than two readers.
    """
    if len(target.readers) < 2:
        return {}
    each = [score_boxes(reading, Target(regions=regions)) for regions in target.readers]
    drawn = [[region.box for region in regions] for regions in target.readers]
    return {
        "expected_iou": float(np.mean([values["miou_box"] for values in each])),
        "expected_acc@0.5": float(np.mean([values["acc@0.5"] for values in each])),
        "readers_iou": 1 - disagreement(drawn),
    }


def score_solids(reading: Reading, target: Target) -> Mapping[str, float]:
    """As `score_boxes` for boxes in three dimensions: `miou_3d` and `matched_iou_3d`."""
    if not target.regions:
        return _nothing_to_find(reading)
    table = overlaps(_credited(reading), target.regions)
    return {"miou_3d": _best_iou(_credited(reading), table), "matched_iou_3d": matched_mean(table)}


def verdict(reading: Reading, target: Target) -> str:
    """One word for what became of a sample: a `Verdict`, or the reading's own outcome or fault.

    correct: every truth is hit at IoU 0.5 and there is no box more; partly: some are; wrong_box: none is;
    missed: something to find was denied.
    """
    if reading.outcome == "read":
        return _of_boxes(reading.regions, target.regions)
    if target.regions:
        return _word("missed") if reading.outcome == "no_box" and _said_absent(reading) else name_of(reading)
    return _word("correct_absence") if _said_absent(reading) else name_of(reading)


def covers_image(region: Region, width: float, height: float, share: float = 0.95) -> bool:
    """Whether a box is (nearly) the whole slice of width x height pixels: an answer without a choice.

    It earns the IoU that it has, and reports should count such answers: a third of some models' are.
    """
    x0, y0, x1, y1 = region.box
    return (x1 - x0) * (y1 - y0) >= share * width * height


def _of_boxes(regions: Sequence[Region], truth: Sequence[Region]) -> str:
    if not truth:
        return _word("false_alarm")
    counts = count_matches(overlaps(regions, truth), HIT)
    if counts.true_positives == 0:
        return _word("wrong_box")
    return _word("correct" if counts.false_positives == counts.misses == 0 else "partly")


def _word(verdict: Verdict) -> str:
    return verdict


def _credited(reading: Reading) -> tuple[Region, ...]:
    return reading.regions if reading.outcome == "read" else ()


def _nothing_to_find(reading: Reading) -> Mapping[str, float]:
    alarm = bool(_credited(reading))
    return {"no_target_acc": float(_said_absent(reading)), "false_alarm": float(alarm)}


def _said_absent(reading: Reading) -> bool:
    if reading.outcome == "abstained":
        return reading.detail.get("reason") == "not_visible"
    return reading.outcome == "no_box" and reading.detail.get("absent") is True


def _best_iou(regions: Sequence[Region], table: Floats) -> float:
    """IoU of the answer's own first choice: the truth has no say in which box that is."""
    if not regions:
        return 0.0
    scores = [region.score for region in regions]
    kept = [score for score in scores if score is not None]
    return float(table[int(np.argmax(kept)) if len(kept) == len(scores) else 0].max())


def _solid(region: Region) -> tuple[float, ...]:
    x0, y0, x1, y1 = region.box
    stop = region.slice_index + 1 if region.slice_stop is None else region.slice_stop
    return x0, y0, float(region.slice_index), x1, y1, float(stop)
