"""Metrics of detection benchmarks over scored samples: COCO mAP, RoDeO, ChestX-ray8's accuracy and AFP.

A sample is one image and one finding, asked for by name. Knows no benchmark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from foveate.evals.contract.questions import Corners, Region
from foveate.evals.contract.tasks import Metric, Scored
from foveate.evals.metrics.chestxray8 import localization
from foveate.evals.metrics.detection import CocoScore, Detections, Objects, coco_map
from foveate.evals.metrics.rodeo import LabelledBoxes, rodeo

Found = Sequence[Scored]


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
    number = _numbers(samples)
    given = [
        Detections(
            boxes(predicted(s)),
            [score_of(r) for r in predicted(s)],
            [number[_finding(s)]] * len(predicted(s)),
        )
        for s in samples
    ]
    wanted = [
        Objects(boxes(s.target.regions), [number[_finding(s)]] * len(s.target.regions)) for s in samples
    ]
    return coco_map(given, wanted)


def _rodeo(samples: Found) -> float:
    number = _numbers(samples)
    if len(number) < 2:
        return float("nan")

    def labelled(sample: Scored, regions: Sequence[Region]) -> LabelledBoxes:
        return LabelledBoxes(boxes(regions), [number[_finding(sample)]] * len(regions))

    given = [labelled(s, predicted(s)) for s in samples]
    return rodeo(given, [labelled(s, s.target.regions) for s in samples], len(number)).total


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
