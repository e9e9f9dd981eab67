"""Keeps the order: read first, then fetch the ground truth, then score. And counts every outcome.

`judge_blind` is the one way from a prediction to a score. The target is a function that is not called before
the reading is done and frozen, so no reader can look at it, by accident or design.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Target

Reply = TypeVar("Reply")


@dataclass(frozen=True)
class Judged:
    """A reading with the values and the verdict it earned."""

    reading: Reading
    values: Mapping[str, float]
    verdict: str


@dataclass(frozen=True)
class Judgement(Generic[Reply]):
    """How one kind of reply is read, scored and named. `read` is given the reply alone."""

    read: Callable[[Reply], Reading]
    score: Callable[[Reading, Target], Mapping[str, float]]
    verdict: Callable[[Reading, Target], str]


def judge_blind(reply: Reply, judgement: Judgement[Reply], fetch_target: Callable[[], Target]) -> Judged:
    """Reads the reply, then fetches the target, then scores the reading against it."""
    reading = judgement.read(reply)
    target = fetch_target()
    return Judged(reading, judgement.score(reading, target), judgement.verdict(reading, target))


def tally(verdicts: Iterable[str]) -> Mapping[str, int]:
    """How many samples ended in each verdict, most frequent first: nothing is left out of a report."""
    return dict(Counter(verdicts).most_common())
