"""A benchmark task: what is told of it, how it loads, reads and scores, and the rows of its table.

Scoring first reads the prediction with the question alone and is then given reading and target. Knows no file
format, no Inspect AI and no formula of a metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from foveate.evals.contract.answers import Prediction, Reading
from foveate.evals.contract.questions import AnswerKind, Items, Question, Target


@dataclass(frozen=True, eq=False)
class Scored:
    """One scored sample, as set-level metrics see it. Two are equal only when they are the same one.

    `values` has a number for each per-sample metric that applies.
    """

    id: str
    cluster: str
    kind: AnswerKind
    reading: Reading
    target: Target
    values: Mapping[str, float]
    group: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metric:
    """A row of the table. `over` computes it from a set of samples (with repeats when resampled; NaN where it
    is undefined); None takes the mean of `values[name]` over the samples that have it.

    `official` marks the benchmark's own metric. `better` None marks a mere count or rate.
    """

    name: str
    over: Callable[[Sequence[Scored]], float] | None = None
    better: Literal["higher", "lower"] | None = "higher"
    official: bool = False
    meaning: str = ""


@dataclass(frozen=True)
class Published:
    """A number from the literature, shown beside ours; `value` in the metric's own unit (0..1 for shares)."""

    model: str
    metric: str
    value: float
    source: str
    note: str = ""


@dataclass(frozen=True)
class TaskInfo:
    """What `foveate tasks` tells. `name` is the command's word and the data folder's name. `expects` are the
    files and folders under the data root. `accept` is True when the licence must be accepted first
    (`--accept-licence`); open and generated data need none. `options` maps an option's name to its help.
    """

    name: str
    title: str
    licence: str
    licence_url: str
    obtain: str
    expects: tuple[str, ...]
    kinds: tuple[AnswerKind, ...]
    accept: bool = True
    published: tuple[Published, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    needs_judge: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadOptions:
    """`partial` lets a loader leave out items whose files are missing, saying so in `notes`. `chosen` are the
    task's own options, by name, as text. `seed` decides whatever a generator draws."""

    seed: int = 0
    partial: bool = False
    chosen: Mapping[str, str] = field(default_factory=dict)


Judge = Callable[[str], str]
"""A judge model: a prompt (from `prompts/evals/`) to its reply, at temperature 0."""


class Task(Protocol):
    """A benchmark. `evals/scoring/kinds.py` reads and scores by kind of answer."""

    @property
    def info(self) -> TaskInfo: ...

    @property
    def metrics(self) -> Sequence[Metric]: ...

    def missing(self, root: Path) -> Sequence[str]:
        """What of `info.expects` is not under the data root; empty when the set is there.

        The root is what --data names, else $FOVEATE_DATA/evals or $FOVEATE_DATA, whichever has it all.
        """
        ...

    def load(self, root: Path, options: LoadOptions) -> Items:
        """The whole set, checked. Raises DataProblem."""
        ...

    def read(self, question: Question, prediction: Prediction) -> Reading:
        """The prediction in the declared convention and no other; never raises for what a model wrote."""
        ...

    def score(
        self, question: Question, reading: Reading, target: Target, judge: Judge | None
    ) -> Mapping[str, float]:
        """Per-sample values by metric name, all finite. Without a judge, judged metrics are left out."""
        ...
