"""A tiny Qwen2.5-VL checkpoint, made once."""

from pathlib import Path

import pytest

from .tiny import save_qwen


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_qwen(tmp_path_factory.mktemp("checkpoints") / "tiny-qwen")
