"""A task made of parts: what is known of a benchmark, its loader, its metrics, its reading and its score.

Knows no benchmark. The parts that a task does not bring are those of its kind of answer (`evals.scoring`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from foveate.evals.contract.answers import Prediction, Reading
from foveate.evals.contract.questions import Items, Question, Target
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, TaskInfo
from foveate.evals.scoring import kinds
from foveate.evals.tasks.reading import shown
from foveate.evals.tasks.records import DataFault

Loader = Callable[[Path, LoadOptions], Items]
Reader = Callable[[Question, Prediction], Reading]
Scorer = Callable[[Question, Reading, Target, Judge | None], Mapping[str, float]]


def by_kind(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """The values of the question's kind of answer; no judge is asked."""
    return kinds.score(question, reading, target)


BOX_METRICS = (
    Metric("miou_box", official=True, meaning="IoU of the answer's own best box"),
    Metric("acc@0.1", official=True, meaning="share with IoU of 0.1 or more"),
    Metric("acc@0.3", official=True, meaning="share with IoU of 0.3 or more"),
    Metric("acc@0.5", official=True, meaning="share with IoU of 0.5 or more"),
    Metric("matched_iou", meaning="boxes matched one to one; every extra or missing box counts as 0"),
    Metric("f1", meaning="boxes found at IoU 0.5"),
)
ABSENCE_METRICS = (
    Metric("no_target_acc", meaning="nothing to find, and the answer says so"),
    Metric("false_alarm", better="lower", meaning="nothing to find, and a box given"),
)
READERS_METRICS = (
    Metric("expected_iou", official=True, meaning="IoU against one reader, expected over readers"),
    Metric("expected_acc@0.5", meaning="IoU of 0.5 or more against one reader, expected over readers"),
    Metric("readers_iou", better=None, meaning="IoU of one reader with another: the human ceiling"),
)
ACCURACY = Metric("accuracy", official=True, meaning="the right option, read in the declared form")
TEXT_METRICS = (
    Metric("exact_match", meaning="the same words"),
    Metric("token_f1", meaning="overlap of words"),
    Metric("token_recall", meaning="share of the reference's words that were said"),
)


@dataclass(frozen=True)
class LoadedTask:
    """A benchmark whose files lie in one folder under the data root: `folder`, or the task's name.

    `loader` is given that folder. Everything in `info.expects` must be in it; "a | b" means either,
    and a name may have a *. With the
    option `unless`, the files come from elsewhere and none is expected.
    """

    info: TaskInfo
    metrics: Sequence[Metric]
    loader: Loader = field(repr=False)
    reader: Reader = field(default=kinds.read, repr=False)
    scorer: Scorer = field(default=by_kind, repr=False)
    folder: str | None = None
    unless: str = ""

    def place(self, root: Path) -> Path:
        """Where the task's files are expected."""
        return root / (self.info.name if self.folder is None else self.folder)

    def missing(self, root: Path) -> Sequence[str]:
        folder = self.place(root)
        wanted = self.info.expects
        return [each for each in wanted if not any(_there(folder, name) for name in each.split(" | "))]

    def load(self, root: Path, options: LoadOptions) -> Items:
        unknown = [name for name in options.chosen if name not in self.info.options]
        if unknown:
            known = ", ".join(self.info.options) or "none"
            raise DataFault(f"{self.info.name} has no option {unknown[0]!r}; expected one of: {known}.")
        missing = [] if self.unless in options.chosen else self.missing(root)
        if missing:
            raise DataFault(
                f"{shown(self.place(root))}: there is no {missing[0]}; expected the data of "
                f"{self.info.name}: {self.info.obtain}"
            )
        items = self.loader(self.place(root), options)
        return replace(items, notes=(*items.notes, *self._elsewhere()))

    def _elsewhere(self) -> list[str]:
        """Published numbers by a measure that this task does not have: they belong in no row of its table."""
        ours = {metric.name for metric in self.metrics}
        others = [p for p in self.info.published if p.metric not in ours]
        return [
            f"published by another measure, {p.metric}: {p.model} {p.value:g} ({p.source})" for p in others
        ]

    def read(self, question: Question, prediction: Prediction) -> Reading:
        return self.reader(question, prediction)

    def score(
        self, question: Question, reading: Reading, target: Target, judge: Judge | None
    ) -> Mapping[str, float]:
        return self.scorer(question, reading, target, judge)


def _there(folder: Path, name: str) -> bool:
    return any(folder.glob(name)) if "*" in name else (folder / name).exists()


def chosen(options: LoadOptions, name: str, allowed: Sequence[str]) -> str:
    """The value of a task's option, the first allowed one by default. Raises DataFault for another value."""
    value = options.chosen.get(name, allowed[0])
    if value not in allowed:
        raise DataFault(f"the option {name} is {value[:40]!r}; expected one of: {', '.join(allowed)}.")
    return value
