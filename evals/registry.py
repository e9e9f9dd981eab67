"""The tasks by name: what the modules of `foveate.evals.tasks` list under `TASKS`, and nothing else.

Knows no runner. Importing it is cheap; listing imports the task modules, which import no model.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from importlib import import_module

from foveate.evals.contract.tasks import Task

PACKAGE = "foveate.evals.tasks"


class UnknownTask(ValueError):
    """A task that is not there; one sentence with the nearest names."""


@cache
def all_tasks() -> dict[str, Task]:
    """Every task by its name, in order of names. Raises RuntimeError when two share one."""
    package = import_module(PACKAGE)
    modules = (import_module(found.name) for found in pkgutil.iter_modules(package.__path__, f"{PACKAGE}."))
    return _by_name(task for module in modules for task in getattr(module, "TASKS", ()))


def task_named(name: str) -> Task:
    """The task of that name. Raises UnknownTask."""
    tasks = all_tasks()
    if name not in tasks:
        near = get_close_matches(name, tasks, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UnknownTask(f"There is no task {name[:40]!r}; `foveate tasks` lists them.{hint}")
    return tasks[name]


def _by_name(tasks: Iterable[Task]) -> dict[str, Task]:
    found: dict[str, Task] = {}
    for task in tasks:
        if task.info.name in found:
            raise RuntimeError(f"two tasks are called {task.info.name}")
        found[task.info.name] = task
    return dict(sorted(found.items()))
