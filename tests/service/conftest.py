"""Pictures, scripts and servers for the tests of the service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ..agent.scripted import ScriptedModel, call
from .server import Client, serving

DEMO = Path(__file__).parents[2] / "pocket" / "demo"
LOOK = call("zoom", box=[10, 10, 100, 60])
FOUND = call(
    "answer", text="It is there.", claims=[{"text": "a spot", "box": [10, 10, 60, 40], "view": "V0"}]
)
MEASURE = call("measure", region="E1")
SIZED = call("answer", text="It is small.", claims=[{"text": "the spot", "evidence": ["E1"]}])


def draw(path: Path, gray: int = 90, size: tuple[int, int] = (224, 112)) -> Path:
    """A gray picture with white corners, whose pocket view has its own pixels."""
    pixels = np.full((size[1], size[0]), gray, np.uint8)
    for corner in (np.s_[:8, :8], np.s_[:8, -8:], np.s_[-8:, :8], np.s_[-8:, -8:]):
        pixels[corner] = 255
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return draw(tmp_path / "Jane_Doe_19570102.png")


@pytest.fixture
def picture_file(tmp_path: Path) -> Path:
    return draw(tmp_path / "scan.png")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A server whose model looks, finds, measures, and then repeats its last answer."""
    with serving(tmp_path / "data", ScriptedModel(replies=[LOOK, FOUND, MEASURE, SIZED])) as made:
        yield made
