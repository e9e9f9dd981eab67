"""A tokenizer and a checkpoint of pocket-vlm's own make, tiny and untrained, shared by the tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import Qwen2Tokenizer

from foveate.pocket.vlm.model import build, save
from foveate.pocket.vlm.tokenizer import train_tokenizer

WORDS = [
    "Where is the left kidney? V0 224x224 Does it show it?",
    '{"name": "ground", "arguments": {"phrase": "left kidney"}}',
    "E1 left kidney [140,105,175,147] score 0.91 image right, patient left",
    "The left kidney is visible (E1): image right, patient left.",
] * 4


@pytest.fixture(scope="session")
def tokenizer() -> Qwen2Tokenizer:
    return train_tokenizer(WORDS, vocab_size=420)


@pytest.fixture(scope="session")
def weights(tokenizer: Qwen2Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved pocket-vlm of one layer."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights") / "vlm"
    save(build(tokenizer, layers=1), tokenizer, folder)
    return folder
