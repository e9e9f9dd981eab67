"""Short ways to load a task's set in tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from foveate.evals.contract.problems import DataProblem
from foveate.evals.contract.questions import Corners, Items
from foveate.evals.contract.tasks import LoadOptions
from foveate.evals.registry import task_named

from .sets import written


def load(name: str, root: Path, partial: bool = False, **chosen: str) -> Items:
    """The set of that task under a root that has it."""
    return task_named(name).load(root, LoadOptions(partial=partial, chosen=chosen))


def made(name: str, root: Path, **chosen: str) -> Items:
    """The set of that task, written first."""
    return load(name, written(root, name), **chosen)


def boxes(items: Items) -> list[list[Corners]]:
    """The true boxes by question."""
    return [[region.box for region in items.targets[q.id].regions] for q in items.questions]


def edit(path: Path, old: str, new: str) -> None:
    """Changes a file's text; the old text must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def refused(name: str, root: Path, complaint: str, left: int, **chosen: str) -> None:
    """Loading is refused with the complaint; with partial, so many questions are left (0: still refused)."""
    with pytest.raises(DataProblem, match=complaint):
        load(name, root, **chosen)
    if left:
        assert len(load(name, root, partial=True, **chosen).questions) == left
    else:
        with pytest.raises(DataProblem):
            load(name, root, partial=True, **chosen)
