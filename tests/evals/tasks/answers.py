"""Predictions made for tests, right by the target or not, and whole scorings of them."""

from __future__ import annotations

from collections.abc import Callable

from foveate.evals.contract.answers import Claim, Prediction
from foveate.evals.contract.questions import Items, Question, Target
from foveate.evals.contract.tasks import Judge, Scored, Task

Answering = Callable[[Question, Target], Prediction]


def right(question: Question, target: Target) -> Prediction:
    """What a perfect agent would answer, in the form the question's kind declares."""
    if question.kind in ("boxes", "regions_3d"):
        if not target.regions:
            return Prediction("None is visible.", claims=(Claim("None is visible.", present=False),))
        regions = tuple(target.regions)
        return Prediction(
            "Here.", claims=(Claim("Here.", True, True, tuple(range(len(regions)))),), regions=regions
        )
    if question.id.startswith("mirp"):
        return Prediction("1" if target.answer == "yes" else "0")
    return Prediction(str(target.answer), regions=target.regions)


def nothing(question: Question, target: Target) -> Prediction:
    """An abstention."""
    return Prediction("I cannot tell.", abstained=True, reason="cannot_tell")


def rambling(question: Question, target: Target) -> Prediction:
    """Words that name every option and decide for none."""
    return Prediction("It may be yes or no, A or B, left or right; 0 or 1, 5 mm or 50 mm at [1, 2, 30, 40].")


def scored(
    task: Task, items: Items, answering: Answering = right, judge: Judge | None = None
) -> list[Scored]:
    """Every question answered, read and scored."""
    made = []
    for question in items.questions:
        target = items.targets[question.id]
        reading = task.read(question, answering(question, target))
        values = task.score(question, reading, target, judge)
        made.append(
            Scored(
                question.id, question.cluster, question.kind, reading, target, values, question.group,
                question.filters, question.options,
            )
        )  # fmt: skip
    return made


def table(task: Task, samples: list[Scored]) -> dict[str, float]:
    """The task's metrics over samples; those that are undefined are left out."""
    found = {}
    for metric in task.metrics:
        if metric.over is None:
            values = [s.values[metric.name] for s in samples if metric.name in s.values]
            value = sum(values) / len(values) if values else float("nan")
        else:
            value = metric.over(samples)
        if value == value:
            found[metric.name] = value
    return found
