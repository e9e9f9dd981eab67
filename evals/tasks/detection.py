"""Metrics of detection benchmarks over scored samples: COCO mAP, RoDeO, ChestX-ray8's accuracy and AFP.

A sample is one image and one finding, asked for by name. Knows no benchmark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

from foveate.evals.contract.questions import Corners, Region
from foveate.evals.contract.tasks import Metric, Scored
from foveate.evals.metrics.boxes import LabelledBoxes
from foveate.evals.metrics.chestxray8 import localization
from foveate.evals.metrics.detection import (
    ClassMatches,
    CocoScore,
    Detections,
    join_matches,
    match_class,
    score_matches,
)
from foveate.evals.metrics.rodeo import rodeo

Found = Sequence[Scored]
DRAWS = 200
"""Resamples of a metric that is no mean, as `evals.results` takes them."""


def predicted(sample: Scored) -> tuple[Region, ...]:
    """The boxes that count as the answer."""
    return sample.reading.regions if sample.reading.outcome == "read" else ()


def boxes(regions: Sequence[Region]) -> list[Corners]:
    return [region.box for region in regions]


def score_of(region: Region) -> float:
    """The answer's own score for a box; 1.0 where it gave none."""
    return 1.0 if region.score is None else region.score


def coco(samples: Found) -> CocoScore:
    """COCO's score with the answer's own box scores; findings are the classes."""
    return _coco(tuple(samples))


@lru_cache(maxsize=2 * DRAWS)
def _coco(samples: tuple[Scored, ...]) -> CocoScore:
    # three metrics are computed from the same resamples, and a sample is matched once for all of them
    number = _numbers(samples)
    return score_matches(join_matches([(number[_finding(sample)], _matched(sample)) for sample in samples]))


@lru_cache(maxsize=100_000)
def _matched(sample: Scored) -> ClassMatches:
    given, truth = predicted(sample), sample.target.regions
    found = Detections(boxes(given), [0] * len(given), [score_of(region) for region in given])
    return match_class(found, LabelledBoxes(boxes(truth), [0] * len(truth)), 0)


def _rodeo(samples: Found) -> float:
    classes = len(_numbers(samples))
    if classes < 2:
        return float("nan")
    return rodeo(labelled(samples, predicted), labelled(samples, true_regions), classes).total


def true_regions(sample: Scored) -> tuple[Region, ...]:
    return sample.target.regions


def labelled(samples: Found, regions: Callable[[Scored], Sequence[Region]]) -> list[LabelledBoxes]:
    """Each sample's boxes, all of its finding's class."""
    number = _numbers(samples)
    return [
        LabelledBoxes(boxes(regions(sample)), [number[_finding(sample)]] * len(regions(sample)))
        for sample in samples
    ]


def localized(
    threshold: float, part: Literal["accuracy", "average_false_positives"], finding: str | None = None
) -> Callable[[Found], float]:
    """ChestX-ray8's accuracy or average false positives at T(IoBB), of one finding or of all."""

    def over(samples: Found) -> float:
        kept = [s for s in samples if finding is None or _finding(s) == finding]
        if not any(s.target.regions for s in kept):
            return float("nan")
        given = [boxes(predicted(s)) for s in kept]
        found = localization(given, [boxes(s.target.regions) for s in kept], threshold)
        return float(getattr(found, part))

    return over


def _numbers(samples: Found) -> dict[str, int]:
    return {finding: number for number, finding in enumerate(sorted({_finding(s) for s in samples}))}


def _finding(sample: Scored) -> str:
    return sample.filters["finding"]


MAP_METRICS = (
    Metric(
        "map50",
        lambda samples: coco(samples).map50,
        official=True,
        meaning="COCO mAP at IoU 0.5, real scores",
    ),
    Metric(
        "map50_95", lambda samples: coco(samples).map, official=True, meaning="COCO mAP at IoU 0.5 to 0.95"
    ),
    Metric("map75", lambda samples: coco(samples).map75, meaning="COCO mAP at IoU 0.75"),
    Metric(
        "rodeo", _rodeo, official=True, meaning="RoDeO's total; the finding is given, so its part is easy"
    ),
)
