"""What `foveate tasks`, `foveate eval` and `foveate compare` do; reached by entry points `foveate.commands`.

Everything a user can get wrong is refused before a model is loaded. Inspect AI is imported only to run.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from foveate.agent.cli_errors import RunError
from foveate.agent.cli_eval import EvalOptions
from foveate.agent.cli_images import print_json
from foveate.evals import registry, show
from foveate.evals.contract.questions import Items, Question
from foveate.evals.contract.tasks import LoadOptions, Task
from foveate.evals.inspect.configuration import NO_MODEL, Configuration, package_folder
from foveate.evals.inspect.errors import EvalInputError

if TYPE_CHECKING:
    from foveate.evals.session import Session

SERVER_PARALLEL = 8


def run_tasks(data: Path | None, as_json: bool) -> None:
    """List the tasks."""
    rows = [
        show.task_record(task, not _missing_anywhere(task, data)) for task in registry.all_tasks().values()
    ]
    if as_json:
        print_json({"tasks": rows})
    else:
        show.show_tasks(rows)


def run_eval(options: EvalOptions) -> None:
    """Run a task, print its table, write results and report. Raises RunError when samples failed."""
    with _standard_output_kept():
        session = prepared(options)
        outcome = session.run()
    if options.as_json:
        print_json(dict(outcome.record))
    else:
        show.show_outcome(outcome)
    if outcome.failures:
        first = next(iter(outcome.failures.values()))
        raise RunError(
            f"{len(outcome.failures)} of {outcome.asked} questions got no answer and count as failed "
            f"(the first: {first}); the same command asks them again."
        )


def run_compare(first: Path, second: Path, as_json: bool) -> None:
    """Compare two runs."""
    from foveate.evals.compare import compared

    comparison = compared(first, second)
    if as_json:
        print_json(comparison.record())
    else:
        show.show_comparison(comparison)


def prepared(options: EvalOptions) -> Session:
    """The session that the options describe; no model is loaded. Raises EvalInputError, DataProblem."""
    task = registry.task_named(options.task)
    if task.info.accept and not options.accept_licence:
        info = task.info
        raise EvalInputError(
            f"{info.name} is under {info.licence} ({info.licence_url}); read it, then add --accept-licence."
        )
    if find_spec("inspect_ai") is None:
        raise EvalInputError(
            "Evaluations run on Inspect AI; install the extra: pip install 'foveate[evals]'."
        )
    configuration = configured(options)
    load = LoadOptions(options.seed, options.partial, configuration.options)
    root = data_root(task, options.data)
    loaded = task.load(root, load)
    items = drawn(phrases(loaded) if options.model == NO_MODEL else loaded, options.limit, options.seed)
    if not items.questions:
        raise EvalInputError(f"{task.info.name} has no question with these options; nothing was run.")
    from foveate.evals.session import Session

    return Session(
        task=task,
        items=items,
        configuration=configuration,
        out=options.out,
        parallel=options.parallel or (SERVER_PARALLEL if options.model.startswith("openai:") else 1),
        faithful=options.faithful,
        corruptions=tuple(options.corrupt),
    )


def phrases(items: Items) -> Items:
    """The questions that a grounder alone can be asked: those for one thing, on one image."""
    kept = [q for q in items.questions if q.phrase is not None and len(q.images) == 1]
    left = len(items.questions) - len(kept)
    told = (f"{left} questions without a phrase to ground left out.",) if left else ()
    return replace(items, questions=kept, notes=(*items.notes, *told))


def configured(options: EvalOptions) -> Configuration:
    """The configuration in the options. Raises EvalInputError for an option that is not NAME=VALUE."""
    chosen = dict(_pair(text) for text in options.chosen)
    return Configuration(
        task=options.task,
        model=options.model,
        base_url=options.base_url,
        use_tools=options.use_tools,
        decoding=options.decoding,
        checks=options.checks,
        grounder=options.grounder,
        max_steps=options.max_steps,
        max_seconds=options.max_seconds,
        seed=options.seed,
        limit=options.limit,
        judge=options.judge,
        options=chosen,
    )


def drawn(items: Items, limit: int | None, seed: int) -> Items:
    """The items, or `limit` questions drawn by seed and kept in order; those of a group stay together."""
    questions = list(items.questions)
    repeated = _repeated(questions)
    if repeated is not None:
        raise EvalInputError(f"two questions have the id {repeated!r}; the loader must tell them apart.")
    if limit is None or limit >= len(questions):
        return replace(items, questions=questions)
    groups: dict[str, list[Question]] = {}
    for question in questions:
        groups.setdefault(question.group or question.id, []).append(question)
    kept: set[str] = set()
    for name in random.Random(seed).sample(sorted(groups), len(groups)):
        if kept and len(kept) + len(groups[name]) > limit:
            continue
        kept |= {question.id for question in groups[name]}
    return replace(items, questions=[question for question in questions if question.id in kept])


def data_roots(data: Path | None) -> list[Path]:
    """Where a task's files may lie: --data alone, else `evals` under the data folder, or that folder."""
    if data is not None:
        return [data]
    base = Path(os.environ.get("FOVEATE_DATA") or package_folder("evals").parent / "data")
    return [base / "evals", base]


def data_root(task: Task, data: Path | None) -> Path:
    """The first root that has all files of the task; the first of all when none has."""
    roots = data_roots(data)
    return next((root for root in roots if not task.missing(root)), roots[0])


def _missing_anywhere(task: Task, data: Path | None) -> Sequence[str]:
    return task.missing(data_root(task, data))


def _repeated(questions: Sequence[Question]) -> str | None:
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            return question.id
        seen.add(question.id)
    return None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise EvalInputError(f"--option {text[:40]!r} is not NAME=VALUE.")
    return name, value


@contextlib.contextmanager
def _standard_output_kept() -> Iterator[None]:
    """Whatever a library prints goes to standard error."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
