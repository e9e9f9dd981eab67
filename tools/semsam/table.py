"""The table of neighbours: which content tokens lie near each token, and how near. A safetensors file.

The file says which tokenizer and which embedding it was made of; loading checks every number in it. Knows no
logits; `build.py` makes tables.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FORMAT = "foveate-semsam-1"
LEXICAL, ANTONYM = 1, 2
"""Bits of `kinds`: the neighbour is the same word in another case or spacing; it means the opposite."""
_KNUTH = 2654435761


class TableError(ValueError):
    """A table that cannot be used; one sentence that says why and what to do."""


@dataclass(frozen=True)
class About:
    """What a table was made of.

    `matrix`: "input" or "output"; `tensor`: its name in the checkpoint. `tokens`: how many ids the tokenizer
    has, the rest of `vocabulary` being padding. `content`: the filter's name.
    """

    tokenizer_sha256: str
    embedding_sha256: str
    matrix: str
    tensor: str
    vocabulary: int
    tokens: int
    dimension: int
    k: int
    content: str
    content_tokens: int
    model: str = ""


@dataclass(frozen=True)
class Table:
    """`ids` (vocabulary, k) int32, `weights` (vocabulary, k) float16 = max(0, cosine), nearest first, `kinds`
    (vocabulary, k) uint8, `content` (vocabulary,) bool. A token without neighbours has weight 0
    everywhere."""

    about: About
    ids: Tensor
    weights: Tensor
    kinds: Tensor
    content: Tensor

    def to(self, device: torch.device | str) -> Table:
        moved = {name: getattr(self, name).to(device) for name in ("ids", "weights", "kinds", "content")}
        return replace(self, **moved)

    def check_vocabulary(self, columns: int) -> None:
        """Raises TableError when logits have another width than the table."""
        if columns != len(self.ids):
            raise TableError(
                f"the model gives {columns} logits, the semantic-sampling table is for {len(self.ids)}:"
                " build it for this model with `foveate semsam build`"
            )

    def check_neighbours(self, k: int) -> None:
        """Raises TableError when the table has fewer neighbours than are asked for."""
        check_neighbours_of(self.about, k)

    @cached_property
    def content_ids(self) -> Tensor:
        """All content tokens, int64."""
        return self.content.nonzero()[:, 0]

    def random_neighbours(self, ids: Tensor, k: int) -> Tensor:
        """(…, k) content tokens that depend on the token and the place alone, as if drawn at random."""
        place = torch.arange(k, device=ids.device)
        mixed = (ids[..., None] * 1024 + place + 1) * _KNUTH % (1 << 32)
        mixed = (mixed ^ (mixed >> 15)) * 2246822519 % (1 << 32)
        return self.content_ids[(mixed ^ (mixed >> 13)) % max(len(self.content_ids), 1)]


def save_table(table: Table, path: Path) -> None:
    """Writes the file by rename, so that a reader never sees half of one."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        "ids": table.ids.contiguous(),
        "weights": table.weights.contiguous(),
        "kinds": table.kinds.contiguous(),
        "content": table.content.to(torch.uint8),
    }
    part = path.with_name(path.name + ".part")
    save_file(tensors, part, metadata={"format": FORMAT, "about": json.dumps(asdict(table.about))})
    part.chmod(0o644)  # safetensors writes for the owner only
    part.replace(path)


def read_about(path: Path) -> About:
    """The header of a table, without its tensors. Raises TableError."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise TableError(f"there is no semantic-sampling table {path}: build one with `foveate semsam build`")
    try:
        with safe_open(path, "pt") as file:
            return _about(path, file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise TableError(f"{path} is not a whole semantic-sampling table: {_first_line(error)}") from None


def load_table(path: Path, device: torch.device | str = "cpu") -> Table:
    """The table of a file with every number checked. Raises TableError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    about = read_about(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise TableError(f"{path} is not a whole semantic-sampling table: {_first_line(error)}") from None
    fault = _fault(about, tensors)
    if fault:
        raise TableError(f"the semantic-sampling table {path} is damaged: {fault}; build it again")
    content = tensors["content"].bool()
    return Table(about, tensors["ids"], tensors["weights"], tensors["kinds"], content).to(device)


def check_made_of(about: About, tokenizer_sha256: str, embedding_sha256: str) -> None:
    """Raises TableError when a table was made of another tokenizer or embedding."""
    for what, told, found in (
        ("tokenizer", about.tokenizer_sha256, tokenizer_sha256),
        ("embedding", about.embedding_sha256, embedding_sha256),
    ):
        if told != found:
            of = about.model or "another model"
            raise TableError(
                f"the table was made of another {what} ({of}; {told[:8]}, not {found[:8]}):"
                " build it for this model with `foveate semsam build`"
            )


def check_neighbours_of(about: About, k: int) -> None:
    """Raises TableError when a table has fewer neighbours than are asked for."""
    if k > about.k:
        raise TableError(
            f"the semantic-sampling table has {about.k} neighbours a token, k={k} was asked for:"
            f" build one with `foveate semsam build MODEL -k {k}`"
        )


def _about(path: Path, told: dict[str, str]) -> About:
    if told.get("format") != FORMAT:
        raise TableError(f"{path} is not a semantic-sampling table of this version ({FORMAT})")
    try:
        record: dict[str, Any] = json.loads(told["about"])
        return About(**{field.name: record[field.name] for field in fields(About)})
    except (KeyError, TypeError, json.JSONDecodeError):
        raise TableError(f"the header of {path} is damaged; build the table again") from None


def _fault(about: About, tensors: dict[str, Tensor]) -> str | None:
    """What is wrong with the tensors, None when nothing is."""
    shape = (about.vocabulary, about.k)
    wanted = {
        "ids": (shape, torch.int32),
        "weights": (shape, torch.float16),
        "kinds": (shape, torch.uint8),
        "content": ((about.vocabulary,), torch.uint8),
    }
    for name, (size, kind) in wanted.items():
        if name not in tensors or tuple(tensors[name].shape) != size or tensors[name].dtype != kind:
            return f"{name} is not {kind} of shape {size}"
    ids, weights, content = tensors["ids"], tensors["weights"], tensors["content"].bool()
    if not torch.isfinite(weights).all() or (weights < 0).any() or (weights > 1.01).any():
        return "it holds weights that are no cosine (NaN, below 0 or above 1)"
    if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= about.vocabulary):
        return "it holds ids outside the vocabulary"
    if (~content[ids.long()] & (weights > 0)).any():
        return "a neighbour is not a content token"
    return None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:160]
