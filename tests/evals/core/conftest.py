"""The squares task on the command line, with models that replay a script."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from foveate.agent import cli
from foveate.evals import registry
from foveate.evals.bench.squares import Squares, rectangle


@dataclass(frozen=True)
class Ran:
    """What one command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        record = json.loads(self.out)
        assert isinstance(record, dict)
        return record


@pytest.fixture
def foveate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs one command line in this process; the only task is `squares`, of twelve questions."""
    monkeypatch.setattr(registry, "all_tasks", lambda: {"squares": Squares(12)})

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., str]:
    """A model that measures a box and cites it (or answers `text` without one); returns its specification."""

    def write(box: list[float] | None = None, text: str = "Here.", name: str = "script.json") -> str:
        calls = [] if box is None else [{"name": "measure", "args": {"box": box, "view": "V0"}, "id": "m"}]
        claims = [] if box is None else [{"text": "A rectangle.", "evidence": ["E1"]}]
        answer = {"name": "answer", "args": {"text": text, "claims": claims, "confidence": 0.8}, "id": "a"}
        replies = [{"content": "", "tool_calls": [call]} for call in [*calls, answer]]
        (tmp_path / name).write_text(json.dumps({"profile": "pocket", "replies": replies}))
        return f"scripted:{tmp_path / name}"

    return write


@pytest.fixture
def first_box() -> list[float]:
    """The rectangle of the first picture, which is as large as the pocket profile shows it."""
    return list(rectangle(224, 0))
