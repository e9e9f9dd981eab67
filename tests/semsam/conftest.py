"""Tables and checkpoints small enough to reason about."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from foveate.tools.semsam.table import About, Table

from ..models.tiny import save_qwen


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_qwen(tmp_path_factory.mktemp("checkpoints") / "tiny-qwen", vocab_size=272)


def make_table(ids: Tensor, weights: Tensor, content: Tensor | None = None) -> Table:
    """A table of these neighbours (vocabulary, k); every token is content unless told otherwise."""
    count, k = ids.shape
    mask = torch.ones(count, dtype=torch.bool) if content is None else content
    about = About(
        "t" * 64, "e" * 64, "input", "embed", count, count, 4, k, "letters", int(mask.sum()), "tiny"
    )
    kinds = torch.zeros(count, k, dtype=torch.uint8)
    return Table(about, ids.to(torch.int32), weights.to(torch.float16), kinds, mask)


def random_table(count: int, k: int, seed: int = 0, content_share: float = 1.0) -> Table:
    """Neighbours drawn at random among the content tokens, with random weights."""
    made = torch.Generator().manual_seed(seed)
    content = torch.rand(count, generator=made) < content_share
    content[:2] = True
    known = content.nonzero()[:, 0]
    ids = known[torch.randint(0, len(known), (count, k), generator=made)]
    return make_table(ids, torch.rand(count, k, generator=made), content)
