"""Attention probabilities of a forward pass, read beside it.

A pre-hook on single attention modules sees what goes in and computes the probabilities of the wanted rows
again, in fp32; the module's own processor (SDPA, fused, sliced, LoRA …) is not replaced, so the output is
that of the untapped model to the bit. What is read is reduced at once: memory is that of one layer, whatever
the number of steps. Knows no recipe and no model; `Site.project` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from foveate.tools.grounding.diffusion.protocol import Site

CHUNK = 2**21
"""Probabilities held at once, in numbers (8 MiB of fp32)."""


class Tap(Protocol):
    """Takes what goes into one attention module during a forward pass."""

    def see(self, site: Site, hidden: Tensor, context: Tensor | None, bias: Tensor | None) -> None: ...


@contextmanager
def tapped(sites: Sequence[Site], tap: Tap) -> Iterator[None]:
    """Reads these sites while the block runs; the hooks go away in any case."""
    handles = []
    try:
        for site in sites:
            hook = _Hook(site, tap)
            handles.append(site.module.register_forward_pre_hook(hook, with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass
class CrossTap:
    """Head-averaged cross-attention of `rows`, read out as weighted sums over tokens.

    `readout` (rows or 1, sums, tokens). With `contexts` (phrases, tokens, width) the probabilities are those
    that these texts would have at the queries of each row (Marcos-Manchón et al., OVAM, arXiv 2403.14291,
    reuses queries like that), and `readout` is (phrases, sums, tokens).
    """

    rows: slice
    readout: Tensor
    contexts: Tensor | None = None
    masks: Tensor | None = None
    found: dict[int, Tensor] = field(default_factory=dict)

    def see(self, site: Site, hidden: Tensor, context: Tensor | None, bias: Tensor | None) -> None:
        if context is None:
            raise ValueError(f"The layer {site.name} got no text.")
        hidden = hidden[self.rows]
        if self.contexts is None:
            queries, keys = site.project(site.module, hidden, context[self.rows])
            self.found[site.index] = mean_readout(queries, keys, _of(bias, self.rows), self.readout)
            return
        text = self.contexts
        bias = None if self.masks is None else torch.where(self.masks, 0.0, -torch.inf)[:, None, None]
        per_row = []
        for row in hidden.split(1):
            queries, keys = site.project(site.module, row, text)
            wide = queries.expand(len(text), -1, -1, -1)
            per_row.append(mean_readout(wide, keys, bias, self.readout))
        self.found[site.index] = torch.stack(per_row)

    def take(self) -> dict[int, Tensor]:
        """Site number → (rows, sums, places), or (rows, phrases, sums, places) with contexts; then empty."""
        found, self.found = self.found, {}
        return found


@dataclass
class SelfTap:
    """Running mean of the head-averaged self-attention, one (places, places) matrix per grid side."""

    rows: slice
    latent_side: int
    sums: dict[int, Tensor] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)

    def see(self, site: Site, hidden: Tensor, context: Tensor | None, bias: Tensor | None) -> None:
        hidden = hidden[self.rows]
        side = site.grid(self.latent_side, self.latent_side)[0]
        queries, keys = site.project(site.module, hidden, hidden)
        for q, k in zip(queries.split(1), keys.split(1), strict=True):
            mean = _head_mean(q, k, None)[0]
            self.sums[side] = self.sums[side] + mean if side in self.sums else mean
            self.counts[side] = self.counts.get(side, 0) + 1

    def means(self) -> dict[int, Tensor]:
        """Grid side → (places, places); rows sum to 1."""
        return {side: total / self.counts[side] for side, total in self.sums.items()}


def mean_readout(queries: Tensor, keys: Tensor, bias: Tensor | None, readout: Tensor) -> Tensor:
    """Weighted sums over tokens of the head-averaged probabilities: (rows, sums, places) fp32.

    queries (rows, heads, places, width), keys (rows, heads, tokens, width), bias broadcast to
    (rows, heads, places, tokens) or None, readout (rows or 1, sums, tokens).
    """
    readout = readout.to(queries).expand(len(queries), -1, -1)
    if len(queries) * queries.shape[1] * queries.shape[2] * keys.shape[2] <= CHUNK:
        return readout @ _head_mean(queries, keys, bias).transpose(1, 2)
    parts = [
        readout[i : i + 1] @ _head_mean(queries[i : i + 1], keys[i : i + 1], _row(bias, i)).transpose(1, 2)
        for i in range(len(queries))
    ]
    return torch.cat(parts)


def _head_mean(queries: Tensor, keys: Tensor, bias: Tensor | None) -> Tensor:
    """(rows, places, tokens): softmax averaged over heads, a few heads at a time."""
    rows, heads, places, _ = queries.shape
    step = max(1, CHUNK // (rows * places * keys.shape[2]))
    total = torch.zeros(rows, places, keys.shape[2], device=queries.device)
    for first in range(0, heads, step):
        some = slice(first, first + step)
        scores = queries[:, some] @ keys[:, some].transpose(-1, -2)
        total += (scores if bias is None else scores + bias.to(scores)).softmax(-1).sum(1)
    return total / heads


def _row(bias: Tensor | None, row: int) -> Tensor | None:
    return None if bias is None else bias[row : row + 1]


def _of(bias: Tensor | None, rows: slice) -> Tensor | None:
    """(batch, 1, tokens) additive mask → (rows, 1, 1, tokens)."""
    return None if bias is None else bias.float()[rows].reshape(-1, 1, 1, bias.shape[-1])


@dataclass
class _Hook:
    site: Site
    tap: Tap

    def __call__(self, module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        hidden = given[0] if given else named.get("hidden_states", named.get("x"))
        context = given[1] if len(given) > 1 else named.get("encoder_hidden_states", named.get("context"))
        bias = given[2] if len(given) > 2 else named.get("attention_mask")
        if not isinstance(hidden, Tensor):
            raise ValueError(f"The layer {self.site.name} was called without hidden states.")
        with torch.no_grad():
            self.tap.see(self.site, hidden, context, bias)
