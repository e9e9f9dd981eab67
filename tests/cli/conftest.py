"""Images, scripts and a command runner for the tests of the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foveate.agent import cli


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


Foveate = Callable[..., Ran]


@pytest.fixture
def foveate(capsys: pytest.CaptureFixture[str]) -> Foveate:
    """Runs one command line in this process."""

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A 224 x 112 gray picture: the pocket profile shows it so large, view pixels are source pixels."""
    path = tmp_path / "picture.png"
    steps = np.kron(np.indices((16, 32)).sum(0) % 2, np.ones((7, 7)))  # a ramp alone would count as blurred
    Image.fromarray(np.clip(np.arange(224) + 30 * steps, 0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., str]:
    """Writes a trace with these replies, each [(tool, arguments), …] or a text; returns the model spec."""

    def write(*replies: Sequence[tuple[str, dict[str, Any]]] | str) -> str:
        path = tmp_path / "script.json"
        path.write_text(json.dumps({"replies": [_reply(n, reply) for n, reply in enumerate(replies)]}))
        return f"scripted:{path}"

    return write


def _reply(number: int, reply: Sequence[tuple[str, dict[str, Any]]] | str) -> dict[str, Any]:
    if isinstance(reply, str):
        return {"content": reply}
    calls = [
        {"name": tool, "args": arguments, "id": f"call{number}{i}"}
        for i, (tool, arguments) in enumerate(reply)
    ]
    return {"content": "", "tool_calls": calls}


def measured(text: str = "A bright band of 40 pixels.") -> list[list[tuple[str, dict[str, Any]]]]:
    """Replies that measure a box and answer with it."""
    return [
        [("measure", {"box": [20, 10, 60, 50]})],
        [("answer", {"text": text, "claims": [{"text": text, "evidence": ["E1"]}], "confidence": 0.9})],
    ]


@pytest.fixture
def ct_file(tmp_path: Path) -> Path:
    """A CT volume of 6 slices of 64 x 64 in HU, as NIfTI."""
    import nibabel as nib

    values = np.random.default_rng(5).integers(-1000, 1200, (64, 64, 6)).astype(np.int16)
    path = tmp_path / "volume.nii.gz"
    nib.Nifti1Image(values, np.diag([1.5, 1.5, 4.0, 1.0])).to_filename(path)
    return path
