"""Loads a checkpoint whose model class is Python code beside its weights, as some on the hub are.

That code runs with the user's rights. So it is loaded only from a local folder, where it can be read first,
and only by a recipe that says so: "code=trusted".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from foveate.tools.grounding.checkpoint import explained, quiet
from foveate.tools.grounding.errors import GrounderError

TRUSTED = "trusted"


@dataclass(frozen=True)
class OwnCode:
    """A model in evaluation mode on its device, with its tokenizer and its image processor."""

    model: Any
    tokenizer: Any
    images: Any
    name: str
    device: str


def load_own_code(name: str, model: str, code: str) -> OwnCode:
    """What lies in a folder. Raises GrounderError where it is none or is not said to be trusted."""
    folder = Path(model)
    if not model or not folder.is_dir():
        raise GrounderError(
            f"{name!r} finds no folder {folder.name!r}: download the checkpoint, read the code in it, and"
            f" write {name}:code={TRUSTED}@FOLDER."
        )
    if code != TRUSTED:
        raise GrounderError(
            f"The checkpoint {folder.name!r} runs Python code of its own: read it, then write"
            f" {name}:code={TRUSTED}@{folder.name}."
        )
    return _loaded(str(folder.resolve()), max(p.stat().st_mtime_ns for p in folder.glob("*")))


@lru_cache(maxsize=2)
def _loaded(where: str, _newest: int) -> OwnCode:
    import torch
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    shown, device = Path(where).name, "cuda" if torch.cuda.is_available() else "cpu"
    with quiet(), explained(shown, where):
        model = AutoModel.from_pretrained(where, trust_remote_code=True, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=True)
        images = AutoImageProcessor.from_pretrained(where, trust_remote_code=True)
    return OwnCode(model.eval().to(device), tokenizer, images, shown, device)
