"""The folder of one run: its configuration, journals, Inspect logs, results and report.

One run, one folder: another configuration is refused, and so is a second process. Knows no agent.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from foveate.evals.contract.answers import Prediction
from foveate.evals.inspect.configuration import differing, run_key
from foveate.evals.inspect.errors import EvalInputError
from foveate.evals.inspect.journal import Journal
from foveate.evals.records import prediction_of

RUN, PREDICTIONS, SCORES, LOGS = "run.json", "predictions.jsonl", "scores.jsonl", "inspect"
RESULTS, SAMPLES, REPORT = "results.json", "samples.jsonl", "report.html"


class RunFolder:
    """`described` is `Configuration.described`; its hash is the run's key."""

    def __init__(self, path: Path, described: Mapping[str, Any]) -> None:
        self.path, self.described, self.key = path, dict(described), run_key(described)
        self.predictions: Journal
        self.scores: Journal

    @property
    def logs(self) -> Path:
        return self.path / LOGS

    @contextmanager
    def opened(self) -> Iterator[RunFolder]:
        """Makes or takes up the folder, alone. Raises EvalInputError when it holds or runs something else."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EvalInputError(f"--out {self.path} cannot be made: {error.strerror}.") from None
        with self._alone():
            self._claim()
            self.predictions = Journal(self.path / PREDICTIONS)
            self.scores = Journal(self.path / SCORES)
            try:
                yield self
            finally:
                self.predictions.close()
                self.scores.close()

    def prediction(self, name: str) -> Prediction:
        """The kept prediction, its heat map's file found. Raises KeyError."""
        told = prediction_of(self.predictions.get(name)["prediction"])
        if told.heatmap is None:
            return told
        return replace(told, heatmap=replace(told.heatmap, file=str(self.path / told.heatmap.file)))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # the lock dies with the process, so that a killed run never blocks its successor
        handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise EvalInputError(f"{self.path} is being written by another process; wait for it.") from None
        finally:
            os.close(handle)

    def _claim(self) -> None:
        told = self.path / RUN
        if not told.exists():
            if any(child.name != ".lock" for child in self.path.iterdir()):
                raise EvalInputError(f"{self.path} is not empty and holds no run; name another --out.")
            write_json(told, {"key": self.key, "configuration": self.described})
            return
        held = read_run(self.path)
        if held["key"] != self.key:
            parts = ", ".join(differing(held["configuration"], self.described))
            raise EvalInputError(
                f"{self.path} holds a run with another configuration (it differs in: {parts}); "
                "name another --out."
            )


def read_run(path: Path) -> dict[str, Any]:
    """What a run folder says of itself: {key, configuration}. Raises EvalInputError for another folder."""
    try:
        told: dict[str, Any] = json.loads((path / RUN).read_text(encoding="utf-8"))
        assert isinstance(told["key"], str) and isinstance(told["configuration"], dict)
    except (OSError, ValueError, KeyError, TypeError, AssertionError):
        raise EvalInputError(f"{path} is not the folder of a run: it has no readable {RUN}.") from None
    return told


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """A file of JSON lines, whole or not there."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as stream:
        for record in records:
            stream.write(json.dumps(record, allow_nan=False) + "\n")
    os.replace(part, path)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """An indented JSON file, written beside and renamed, so that it is whole or not there."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(part, path)
