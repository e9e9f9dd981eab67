"""Builds a table of neighbours: exact cosine neighbours among the content tokens of an embedding.

Blockwise, so that memory stays at the content rows in float32 and one tile of similarities. Knows no model
but its embedding and its tokenizer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from foveate.tools.semsam.checkpoint import Embedding, Matrix, find_embedding, load_tokenizer
from foveate.tools.semsam.content import FILTERS, content_mask, token_texts, tokenizer_sha256
from foveate.tools.semsam.table import ANTONYM, LEXICAL, About, Table, TableError
from foveate.tools.semsam.words import OPPOSITES, plain

Progress = Callable[[int, int], None]
DEFAULT_K = 32
BLOCK = 4096
"""Rows and columns of a tile of similarities: 64 MiB in float32."""


def build_table(
    model: str,
    k: int = DEFAULT_K,
    matrix: Matrix = "input",
    content: str = "letters",
    progress: Progress | None = None,
) -> Table:
    """The table of a checkpoint (a folder or a hub id), with `k` neighbours a token.

    `content` names a filter of `content.py`. `progress(done, total)` counts tiles. Raises TableError.
    """
    if content not in FILTERS:
        raise TableError(f"there is no content filter {content!r}; there are: {', '.join(FILTERS)}")
    embedding, tokenizer = find_embedding(model, matrix), load_tokenizer(model)
    texts = token_texts(tokenizer)
    if len(texts) > embedding.rows:
        raise TableError(
            f"the tokenizer of {model} has {len(texts)} tokens,"
            f" its {matrix} embedding only {embedding.rows} rows"
        )
    mask = torch.tensor(content_mask(tokenizer, texts, embedding.rows, content))
    if not 1 <= k < int(mask.sum()):
        raise TableError(
            f"K must be 1 to {int(mask.sum()) - 1}, the other content tokens of {model}, not {k}"
        )
    hashes = tokenizer_sha256(tokenizer), embedding.sha256()
    usable, ids, cosines = _neighbours(embedding, mask, k, progress)
    about = About(
        tokenizer_sha256=hashes[0],
        embedding_sha256=hashes[1],
        matrix=matrix,
        tensor=embedding.name,
        vocabulary=embedding.rows,
        tokens=len(texts),
        dimension=embedding.dimension,
        k=k,
        content=content,
        content_tokens=len(usable),
        model=Path(model).name,
    )
    return spread(about, usable, ids, cosines, texts)


def _neighbours(
    embedding: Embedding, mask: Tensor, k: int, progress: Progress | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Ids of the content rows, and for each its neighbours among them; the vectors are gone afterwards."""
    vectors, usable = content_vectors(embedding, mask)
    return usable, *nearest(vectors, k, progress)


def default_path(embedding_sha256: str, tokenizer_hash: str, matrix: str, name: str) -> Path:
    """Where a table lies when no file is named: in the user's cache, by name and hashes."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    file = f"{name}-{matrix}-{embedding_sha256[:12]}-{tokenizer_hash[:8]}.safetensors"
    return cache / "foveate" / "semsam" / file


def content_vectors(embedding: Embedding, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors (n, dimension) float32 of the content rows, and their ids (n,).

    A content row that is all zero was never trained: it is dropped. Raises TableError for NaN or infinity.
    """
    kept: list[Tensor] = []
    ids = mask.nonzero()[:, 0]
    whole = torch.empty(len(ids), embedding.dimension)
    done = 0
    for start, block in embedding.blocks():
        rows = block[mask[start : start + len(block)]].float()
        norms = rows.norm(dim=1)
        if not torch.isfinite(norms).all():
            raise TableError(f"the embedding {embedding.name} holds NaN or infinity")
        rows = F.normalize(rows[norms > 0], dim=1)
        kept.append(norms > 0)
        whole[done : done + len(rows)] = rows
        done += len(rows)
    return whole[:done], ids[torch.cat(kept)]


def nearest(vectors: Tensor, k: int, progress: Progress | None = None) -> tuple[Tensor, Tensor]:
    """(n, k) places and cosines of each unit vector's nearest others, nearest first. Exact.

    Similarity is symmetric: each tile is computed once, for its rows and, turned round, for its columns.
    """
    count = len(vectors)
    if k >= count:
        raise TableError(f"K must be below {count}, the content tokens with a vector, not {k}")
    ids, cosines = torch.zeros(count, k, dtype=torch.int64), torch.full((count, k), -torch.inf)

    def take(first: int, near: Tensor, left: int) -> None:
        rows = slice(first, first + len(near))
        value, place = near.topk(min(k, near.shape[1]), dim=1)
        cosines[rows], order = torch.cat([cosines[rows], value], 1).topk(k, dim=1)
        ids[rows] = torch.cat([ids[rows], place + left], 1).gather(1, order)

    starts = range(0, count, BLOCK)
    tiles = [(top, left) for top in starts for left in starts if left >= top]
    for done, (top, left) in enumerate(tiles, 1):
        near = vectors[top : top + BLOCK] @ vectors[left : left + BLOCK].T
        if top == left:
            near.fill_diagonal_(-torch.inf)
        else:
            take(left, near.T.contiguous(), top)
        take(top, near, left)
        if progress is not None:
            progress(done, len(tiles))
    return ids, cosines


def spread(about: About, usable: Tensor, ids: Tensor, cosines: Tensor, texts: Sequence[str]) -> Table:
    """The table over the whole vocabulary, from neighbours (n, k) among the `usable` ids (n,)."""
    near = torch.arange(about.vocabulary, dtype=torch.int32)[:, None].repeat(1, about.k)
    weights = torch.zeros(about.vocabulary, about.k, dtype=torch.float16)
    kinds = torch.zeros(about.vocabulary, about.k, dtype=torch.uint8)
    content = torch.zeros(about.vocabulary, dtype=torch.bool)
    near[usable] = usable[ids].to(torch.int32)
    weights[usable] = cosines.clamp(0, 1).to(torch.float16)
    content[usable] = True
    kinds[usable] = kinds_of(texts, usable, near[usable].long())
    return Table(about, near, weights, kinds, content)


def kinds_of(texts: Sequence[str], ids: Tensor, near: Tensor) -> Tensor:
    """The bits of `Table.kinds` for tokens `ids` (n,) and their neighbours (n, k), from all tokens' texts."""
    known: dict[str, int] = {"": 0}
    words = torch.tensor([known.setdefault(plain(text), len(known)) for text in texts])
    own, others = words[ids][:, None], words[near]
    kinds = LEXICAL * ((own == others) & (own > 0)).to(torch.uint8)
    for pair in OPPOSITES:
        for one, other in (pair, pair[::-1]):
            if one in known and other in known:
                rows = (own[:, 0] == known[one]).nonzero()[:, 0]
                kinds[rows] |= ANTONYM * (others[rows] == known[other]).to(torch.uint8)
    return kinds
