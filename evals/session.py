"""One `foveate eval`: the run, its variants (faithfulness, robustness), results and report.

Knows the task, not how its data is stored; prints nothing but progress.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from foveate.evals.contract.questions import Items, Question
from foveate.evals.contract.tasks import Judge, Scored, Task
from foveate.evals.inspect.asking import Asker, Asks
from foveate.evals.inspect.bridge import Bridge
from foveate.evals.inspect.configuration import NO_MODEL, Configuration, run_key
from foveate.evals.inspect.folder import REPORT, RESULTS, SAMPLES, RunFolder, write_json, write_lines
from foveate.evals.inspect.grounding import GrounderAsker
from foveate.evals.inspect.run import run_all, shown_progress
from foveate.evals.report import Section, Told, write_report
from foveate.evals.results import Row, results_record, sample_record, scored_samples, table
from foveate.evals.studies import Run, Study, check_corruptions, faithful, robust

RUNS, VARIANTS = Path("runs"), "variants"


@dataclass(frozen=True)
class Finished:
    """One finished run. `traces` are read from the folder when they are needed."""

    folder: Path
    key: str
    described: Mapping[str, Any] = field(repr=False)
    samples: tuple[Scored, ...] = field(repr=False)
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Outcome:
    """What is told at the end. `record` is the content of results.json; `asked` and `failures` count the
    questions of all variants too.
    """

    task: Task
    folder: Path
    report: Path
    rows: tuple[Row, ...]
    samples: int
    failures: Mapping[str, str]
    asked: int
    notes: tuple[str, ...]
    record: Mapping[str, Any]
    sections: tuple[Section, ...] = ()


@dataclass
class Session:
    """`out` None makes the folder runs/TASK-KEY, so that the same command finds its run again. `own_asker` is
    an agent of your own in place of the one that the configuration names.
    """

    task: Task
    items: Items
    configuration: Configuration
    out: Path | None
    parallel: int
    faithful: bool = False
    corruptions: tuple[str, ...] = ()
    own_asker: Asks | None = None
    _asked: int = field(default=0, init=False)
    _failures: dict[str, str] = field(default_factory=dict, init=False)

    def run(self) -> Outcome:
        """Runs, or goes on with, everything. Raises EvalInputError."""
        check_corruptions(self.corruptions, self.items)
        base = self.asked()
        folder = base.folder
        record, sections = results_record(base.described, base.key, base.rows), []
        for name, (told, section) in self._studies(base).items():
            record[name] = told
            sections.append(section)
        write_json(folder / RESULTS, record)
        write_report(folder / REPORT, self._told(base, sections))
        return Outcome(
            task=self.task,
            folder=folder,
            report=folder / REPORT,
            rows=base.rows,
            samples=len(base.samples),
            failures=self._failures,
            asked=self._asked,
            notes=self.items.notes,
            record=record,
            sections=tuple(sections),
        )

    def asked(self) -> Finished:
        """The plain run, without variants and report."""
        described = self.configuration.described(list(self.items.questions))
        folder = self.out or RUNS / f"{self.task.info.name}-{run_key(described)[:10]}"
        return self.finished(folder, described, self.items)

    @cached_property
    def asker(self) -> Asks:
        """The agent (or the grounder alone), loaded when a question is left to ask.

        Raises ModelError, GrounderError.
        """
        if self.own_asker is not None:
            return self.own_asker
        alone = self.configuration.model == NO_MODEL
        return GrounderAsker.of(self.configuration) if alone else Asker.of(self.configuration)

    def finished(self, path: Path, described: Mapping[str, Any], items: Items) -> Finished:
        """One run in its folder, to its end. The folder is claimed before a model is loaded."""
        questions: dict[str, Question] = {question.id: question for question in items.questions}
        with RunFolder(path, described).opened() as folder:
            left = any(name not in folder.predictions for name in questions)
            asker = self.asker if left else None
            bridge = Bridge(self.task, questions, items.targets, folder, asker, self._judge(), self.parallel)
            failures = run_all(bridge, shown_progress())
            self._asked += len(questions)
            self._failures |= {f"{path.name}/{name}": why for name, why in failures.items()}
            samples = scored_samples(
                self.task, list(questions.values()), items.targets, folder.scores, bridge.judge
            )
            write_lines(path / SAMPLES, (sample_record(sample, folder) for sample in samples))
            rows = tuple(table(self.task, samples))
            return Finished(path, folder.key, described, tuple(samples), rows)

    def _studies(self, base: Finished) -> dict[str, Study]:
        common = self.task, self.items, base.folder, base.samples
        studies: dict[str, Study] = {}
        if self.faithful:
            studies["faithfulness"] = faithful(*common, self._run_variant(base))
        if self.corruptions:
            studies["robustness"] = robust(*common, self.corruptions, self._run_variant(base))
        return studies

    def _run_variant(self, base: Finished) -> Run:
        def run(name: str, items: Items) -> tuple[Path, Sequence[Scored]]:
            configuration = replace(self.configuration, variant=name)
            described = configuration.described(list(items.questions))
            done = self.finished(base.folder / VARIANTS / name, described, items)
            return done.folder, done.samples

        return run

    def _told(self, base: Finished, sections: Sequence[Section]) -> Told:
        return Told(
            title=self.task.info.title,
            described=base.described,
            rows=base.rows,
            items=self.items,
            samples=base.samples,
            run=base.folder,
            metrics=self.task.metrics,
            sections=sections,
        )

    def _judge(self) -> Judge | None:
        if self.configuration.judge is None:
            return None
        from foveate.agent.models.factory import chat_model

        model = chat_model(self.configuration.judge, self.configuration.base_url)
        return lambda prompt: model.invoke(prompt).text
