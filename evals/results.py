"""From scored samples to the table of a run: metrics with intervals, n, and published numbers beside them.

Intervals are bootstraps over patients or volumes. Samples without a score (the model failed) count
as failed readings, so that a crash never raises a score. Knows no Inspect AI and draws nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Question, Target
from foveate.evals.contract.tasks import Judge, Metric, Published, Scored, Task
from foveate.evals.inspect.folder import RunFolder
from foveate.evals.inspect.journal import Journal
from foveate.evals.metrics.bootstrap import Interval, bootstrap_mean, bootstrap_statistic
from foveate.evals.metrics.calibration import brier_score, expected_calibration_error
from foveate.evals.metrics.selective import aurc
from foveate.evals.records import reading_of

DRAWS = 1000
RIGHT_OR_WRONG = ("accuracy", "acc@0.5", "exact_match")
STATISTIC_DRAWS = 200
"""Resamples of a metric that is no mean: each computes it anew."""


@dataclass(frozen=True)
class Row:
    """One line of the table. `low` and `high` are None where there is nothing to resample.

    `bias` is how much resampling raises the value, where that is not negligible: the interval is corrected.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    n: int
    clusters: int
    better: str | None
    official: bool
    meaning: str
    published: tuple[Published, ...] = ()
    bias: float | None = None


def scored_samples(
    task: Task,
    questions: Sequence[Question],
    targets: Mapping[str, Target],
    scores: Journal,
    judge: Judge | None = None,
) -> list[Scored]:
    """Every question's score, in order; a failed one is scored as a failed reading."""
    return [_scored(task, question, targets[question.id], scores, judge) for question in questions]


def table(task: Task, samples: Sequence[Scored]) -> list[Row]:
    """The task's metrics, then calibration where the model told its confidence, then outcomes."""
    rows = [row for metric in task.metrics if (row := _row(metric, samples)) is not None]
    named = [_with_published(row, task.info.published) for row in rows]
    return [*named, *certainty_rows(samples), *outcome_rows(samples)]


def primary(metrics: Sequence[Metric], samples: Sequence[Scored]) -> str | None:
    """The first per-sample metric that any sample has: what comparisons are made of."""
    held = {name for sample in samples for name in sample.values}
    return next((m.name for m in metrics if m.over is None and m.name in held), None)


def right_or_wrong(samples: Sequence[Scored]) -> str | None:
    """The first of the metrics that call an answer right or wrong which any sample has."""
    held = {name for sample in samples for name in sample.values}
    return next((name for name in RIGHT_OR_WRONG if name in held), None)


def outcome_rows(samples: Sequence[Scored]) -> list[Row]:
    """The share of each outcome that occurred, most frequent first."""
    counted = Counter(sample.reading.outcome for sample in samples)
    return [
        Row(f"outcome: {name}", count / len(samples), None, None, count, 0, None, False, "share of samples")
        for name, count in counted.most_common()
    ]


def certainty_rows(samples: Sequence[Scored]) -> list[Row]:
    """Calibration and selective risk of the model's own confidence, for questions that are right or wrong."""
    name = right_or_wrong(samples)
    told = [s for s in samples if s.reading.confidence is not None and name in s.values]
    if name is None or len(told) < 2:
        return []
    sure = [float(s.reading.confidence or 0.0) for s in told]
    right = [s.values[name] == 1.0 for s in told]
    made: dict[str, Callable[[], float]] = {
        "ece": lambda: expected_calibration_error(sure, right),
        "brier": lambda: brier_score(sure, right),
        "aurc": lambda: aurc(sure, [float(not good) for good in right]),
    }
    return [
        Row(
            key, make(), None, None, len(told), 0, "lower", False, f"of the model's own confidence, on {name}"
        )
        for key, make in made.items()
    ]


def results_record(described: Mapping[str, Any], key: str, rows: Sequence[Row]) -> dict[str, Any]:
    """What `results.json` holds."""
    return {"key": key, "configuration": dict(described), "table": [asdict(row) for row in rows]}


def sample_record(sample: Scored, folder: RunFolder) -> dict[str, Any]:
    """A line of `samples.jsonl`: what a comparison and the report's filters need, without the trace."""
    about = folder.scores.get(sample.id) if sample.id in folder.scores else {}
    trace = folder.predictions.get(sample.id)["trace"] if sample.id in folder.predictions else {}
    steps = [step for step in trace.get("steps", []) if step["tool"] not in ("answer", "repair")]
    return {
        "id": sample.id,
        "cluster": sample.cluster,
        "kind": sample.kind,
        "filters": dict(sample.filters),
        "outcome": sample.reading.outcome,
        "verdict": about.get("verdict", "failed"),
        "value": sample.reading.value,
        "regions": [asdict(region) for region in sample.reading.regions],
        "confidence": sample.reading.confidence,
        "values": dict(sample.values),
        "tool_calls": len(steps),
        "seconds": trace.get("seconds"),
        "tokens": sum(trace["usage"][k] for k in ("input_tokens", "output_tokens")) if trace else None,
        "stopped_by": trace.get("stopped_by"),
        "size": trace.get("views", {}).get("V0", {}).get("source_size"),
    }


def _scored(task: Task, question: Question, target: Target, scores: Journal, judge: Judge | None) -> Scored:
    if question.id in scores:
        record = scores.get(question.id)
        reading, values = reading_of(record["reading"]), record["values"]
    else:
        reading = Reading("failed")
        values = dict(task.score(question, reading, target, judge))
    return Scored(
        question.id,
        question.cluster,
        question.kind,
        reading,
        target,
        values,
        question.group,
        question.filters,
        question.options,
    )


def _row(metric: Metric, samples: Sequence[Scored]) -> Row | None:
    interval = interval_of(metric, samples)
    if interval is None:
        return None
    return Row(
        metric.name,
        interval.estimate,
        interval.low,
        interval.high,
        interval.samples,
        interval.clusters,
        metric.better,
        metric.official,
        metric.meaning,
        bias=interval.bias if interval.biased else None,
    )


def interval_of(metric: Metric, samples: Sequence[Scored]) -> Interval | None:
    """The metric on the samples it applies to, resampled by cluster; None where it applies to none."""
    if metric.over is None:
        held = [s for s in samples if metric.name in s.values]
        if not held:
            return None
        return bootstrap_mean([s.values[metric.name] for s in held], [s.cluster for s in held], draws=DRAWS)
    over, whole = metric.over, metric.over(samples)
    if math.isnan(whole):
        return None
    clusters = [sample.cluster for sample in samples]
    return bootstrap_statistic(
        lambda drawn: over([samples[i] for i in drawn]), len(samples), clusters, draws=STATISTIC_DRAWS
    )


def _with_published(row: Row, published: Sequence[Published]) -> Row:
    from dataclasses import replace

    return replace(row, published=tuple(p for p in published if p.metric == row.metric))
