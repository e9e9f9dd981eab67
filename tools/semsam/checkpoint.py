"""Reads an embedding matrix and a tokenizer from a checkpoint: a local folder or a hub id.

Only the file with that one tensor is opened, block by block. Runs no code of a checkpoint. Knows no table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from foveate.tools.semsam.table import TableError

Matrix = Literal["input", "output"]
SUFFIXES: dict[str, tuple[str, ...]] = {
    "input": (
        "embed_tokens.weight",
        "wte.weight",
        "word_embeddings.weight",
        "tok_embeddings.weight",
        "embed_in.weight",
        "shared.weight",
        "embedding.weight",
    ),
    "output": ("lm_head.weight", "embed_out.weight", "output.weight"),
}
INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
BLOCK = 8192


@dataclass(frozen=True)
class Embedding:
    """One tensor of one safetensors file: `rows` tokens of `dimension` numbers. `matrix`: "input" or
    "output"."""

    file: Path
    name: str
    matrix: str
    rows: int
    dimension: int

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[int, Tensor]]:
        """(first row, rows as they are in the file), in order. Raises TableError for a truncated file."""
        from safetensors import safe_open

        with safe_open(self.file, "pt") as file:
            part = file.get_slice(self.name)
            for start in range(0, self.rows, size):
                yield start, part[start : start + size]

    def sha256(self) -> str:
        """A hash of the numbers as they are in the file, with type and shape."""
        digest = sha256(f"{self.rows}x{self.dimension}".encode())
        for _, block in self.blocks():
            digest.update(str(block.dtype).encode())
            digest.update(block.contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()


def find_embedding(model: str, matrix: Matrix = "input") -> Embedding:
    """The embedding of a checkpoint. Raises TableError."""
    from safetensors import SafetensorError, safe_open

    where = _tensors(model)
    names = [name for name in where if _is_embedding(name, matrix)]
    if not names:
        tied = " (the output may be tied to the input: use --matrix input)" if matrix == "output" else ""
        raise TableError(f"{model} has no {matrix} embedding in its safetensors files{tied}")
    vocabulary = _vocabulary(model)
    found = []
    for name in names:
        try:
            with safe_open(where[name], "pt") as file:
                shape = file.get_slice(name).get_shape()
        except (SafetensorError, OSError) as error:
            raise TableError(f"the checkpoint {model} cannot be read: {str(error)[:160]}") from None
        if len(shape) == 2 and (vocabulary is None or shape[0] >= vocabulary):
            found.append(Embedding(where[name], name, matrix, shape[0], shape[1]))
    if len(found) != 1:
        raise TableError(
            f"{model} has {len(found)} tensors that may be its {matrix} embedding: {', '.join(names)}"
        )
    return found[0]


def load_tokenizer(model: str) -> Any:
    """The tokenizer of a checkpoint. Raises TableError."""
    from transformers import AutoTokenizer

    loader: Any = AutoTokenizer  # untyped in transformers
    try:
        return loader.from_pretrained(model, local_files_only=Path(model).is_dir(), trust_remote_code=False)
    except Exception as error:  # a broken tokenizer raises anything
        raise TableError(
            f"the tokenizer of {model} does not load: {str(error).splitlines()[0][:160]}"
        ) from None


def _is_embedding(name: str, matrix: str) -> bool:
    if any(part in name for part in ("visual.", "vision", "position", "audio", "image_")):
        return False
    return any(name == suffix or name.endswith(f".{suffix}") for suffix in SUFFIXES[matrix])


def _tensors(model: str) -> dict[str, Path]:
    """Tensor name → file. Only headers are read, and of a hub id only the files that hold an embedding."""
    from safetensors import SafetensorError, safe_open

    index = _file(model, INDEX)
    if index is not None:
        told: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        wanted = {n: f for n, f in told.items() if any(_is_embedding(n, matrix) for matrix in SUFFIXES)}
        return {name: path for name, file in wanted.items() if (path := _file(model, file)) is not None}
    single = _file(model, SINGLE)
    if single is None:
        raise TableError(f"{model} is no folder or hub id with {SINGLE} or {INDEX}")
    try:
        with safe_open(single, "pt") as file:
            return dict.fromkeys(file.keys(), single)
    except (SafetensorError, OSError) as error:
        raise TableError(f"the checkpoint {model} cannot be read: {str(error)[:160]}") from None


def _file(model: str, name: str) -> Path | None:
    folder = Path(model)
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise TableError(f"there is no model folder {model}")
    from transformers.utils.hub import cached_file

    fetch: Any = cached_file  # untyped in transformers
    try:
        found = fetch(model, name, _raise_exceptions_for_missing_entries=False)
    except Exception as error:  # no connection, no such repository, no permission
        raise TableError(f"{model} cannot be fetched: {str(error).splitlines()[0][:160]}") from None
    return None if found is None else Path(found)


def _vocabulary(model: str) -> int | None:
    """The size that config.json declares, None where it does not."""
    config = _file(model, "config.json")
    if config is None:
        return None
    told = json.loads(config.read_text(encoding="utf-8"))
    size = told.get("text_config", {}).get("vocab_size", told.get("vocab_size"))
    return size if isinstance(size, int) else None
