"""Gathers a set's questions and faults: all of a set or an error, part of it only where that was allowed.

A faulty record spoils its whole question (half of a question's boxes would be a wrong ground truth). Knows no
file format and no benchmark.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foveate.evals.contract.questions import Items, Question, Target
from foveate.evals.contract.tasks import LoadOptions
from foveate.evals.tasks.reading import shown
from foveate.evals.tasks.records import DataFault, Place


class Intake:
    """One loading of one set.

    Inside `with intake.record(key)`, a DataFault is kept and spoils that key; `items()` tells of all faults
    at once, or leaves the spoiled questions out where `options.partial`.
    """

    def __init__(self, options: LoadOptions) -> None:
        self.options = options
        self.notes: list[str] = []
        self.spoiled: set[str] = set()
        self._faults: list[str] = []
        self._questions: list[Question] = []
        self._targets: dict[str, Target] = {}
        self._first: dict[str, Place] = {}

    @contextmanager
    def record(self, spoils: str = "") -> Iterator[None]:
        try:
            yield
        except DataFault as fault:
            self._faults.append(str(fault))
            if spoils:
                self.spoiled.add(spoils)

    def once(self, place: Place, key: str, what: str = "id") -> None:
        """Raises DataFault when the key was met before, with where."""
        if key in self._first:
            raise place.fault(f"the same {what} as on {self._first[key]}", f"each {what} once")
        self._first[key] = place

    def add(self, place: Place, question: Question, target: Target) -> None:
        """Takes a question. Raises DataFault for an id that is there already."""
        self.once(place, f"question {question.id}", "question")
        self._questions.append(question)
        self._targets[question.id] = target

    def items(self, source: Path) -> Items:
        """The set. Raises DataFault for faults (unless partial) and for an empty set, naming the source."""
        if self._faults and not self.options.partial:
            more = len(self._faults) - 1
            also = f" {more} more records have faults." if more else ""
            raise DataFault(f"{self._faults[0]}{also} Give --partial to leave out what has faults.")
        if not self._questions:
            raise DataFault(
                f"{shown(source)}: no question can be made of it; expected at least one usable record."
            )
        if self._faults:
            self.notes.append(f"{len(self._faults)} faulty records left out, the first: {self._faults[0]}")
        return Items(tuple(self._questions), self._targets, tuple(self.notes), complete=not self._faults)
