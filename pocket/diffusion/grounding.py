"""Token-level grounding in training: the words of a caption are told where to look.

After TokenCompose (arXiv 2312.03626): beside the denoising loss, the cross-attention of each word that
names a structure is drawn into the structure's mask (`token`), and their sum is made the mask (`pixel`). A
structure that a false caption names has an empty mask: its words must have no place. Knows captions, masks
and diffusers' attention; nothing of the pool or of the optimizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPTokenizer

from foveate.pocket.anatomy import part_ids, structure
from foveate.pocket.diffusion.captions import Caption
from foveate.pocket.diffusion.model import LENGTH, Unet
from foveate.tools.grounding.diffusion.words import words_of

COVERED = 0.5


@dataclass(frozen=True)
class Spans:
    """Every named structure of a batch: `rows` int64 (s,) of the batch, `tokens` float32 (s, LENGTH) 1 where
    a token belongs to its name, `masks` float32 (s, side, side) the share of each place that it covers.
    """

    rows: Tensor
    tokens: Tensor
    masks: Tensor

    def to(self, device: torch.device) -> Spans:
        return Spans(self.rows.to(device), self.tokens.to(device), self.masks.to(device))


def spans_of(
    captions: Sequence[Caption], labels: npt.NDArray[np.uint8], tokenizer: CLIPTokenizer, side: int
) -> Spans:
    """Where each name of the captions is on `labels` (n, h, w), h and w multiples of `side`."""
    rows, tokens, masks = [], [], []
    offsets = tokenizer(
        [c.text for c in captions], padding="max_length", max_length=LENGTH, truncation=True,
        return_offsets_mapping=True,
    )["offset_mapping"]  # fmt: skip
    for row, (caption, places) in enumerate(zip(captions, offsets, strict=True)):
        function = [w for w in words_of(caption.text) if w.kind == "function"]
        for named in caption.named:
            own = [
                named.start <= a < b <= named.end and not any(w.start <= a < w.end for w in function)
                for a, b in places
            ]
            if any(own):
                rows.append(row)
                tokens.append(own)
                masks.append(np.isin(labels[row], part_ids(structure(named.name))) & named.here)
    if not rows:
        return Spans(torch.zeros(0).long(), torch.zeros(0, LENGTH), torch.zeros(0, side, side))
    whole = torch.from_numpy(np.stack(masks)).float()
    return Spans(
        torch.tensor(rows), torch.tensor(tokens).float(), F.adaptive_avg_pool2d(whole[:, None], side)[:, 0]
    )


class Recorder:
    """The attention processor of training: plain softmax attention that keeps the head-averaged
    probabilities of cross-attention, (batch, places, tokens) with their graph, until `take`.

    Also faster than the fused kernel on a CPU, whose backward pass is slow.
    """

    def __init__(self, unet: Unet) -> None:
        self.kept: list[Tensor] = []
        unet.set_attn_processor(self)

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            attn.head_to_batch_dim(part)
            for part in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        probabilities = attn.get_attention_scores(query, key, attention_mask)
        if encoder_hidden_states is not None:
            self.kept.append(probabilities.unflatten(0, (-1, attn.heads)).mean(1).float())
        mixed = attn.batch_to_head_dim(torch.bmm(probabilities, value))
        made: Tensor = attn.to_out[1](attn.to_out[0](mixed))
        return made

    def take(self) -> list[Tensor]:
        """What was kept since the last call, in the order of computation."""
        kept, self.kept = self.kept, []
        return kept


def grounding_loss(maps: Sequence[Tensor], spans: Spans) -> tuple[Tensor, Tensor]:
    """TokenCompose's two losses, means over layers: the token loss of the names that are there,
    (1 - share of a token's attention inside the mask)², and the cross-entropy between the summed attention
    of a name and its mask, of all names.
    """
    zero = spans.tokens.new_zeros(())
    if not len(spans.rows):
        return zero, zero
    token, pixel = [], []
    for attention in maps:
        side = round(attention.shape[1] ** 0.5)
        inside = _binary(spans.masks, side).flatten(1)
        own = attention[spans.rows]
        share = (own * inside[..., None]).sum(1) / own.sum(1).clamp(min=1e-8)
        here = spans.tokens * (inside.sum(1, keepdim=True) > 0)
        token.append(((1 - share).square() * here).sum() / here.sum().clamp(min=1))
        summed = (own * spans.tokens[:, None]).sum(-1)
        pixel.append(_balanced(summed, inside))
    return torch.stack(token).mean(), torch.stack(pixel).mean()


def _balanced(summed: Tensor, inside: Tensor) -> Tensor:
    """Cross-entropy in which a name's inside counts as much as its outside, however small it is."""
    loss = F.binary_cross_entropy(summed.clamp(1e-5, 1 - 1e-5), inside, reduction="none")
    within = (loss * inside).sum(1) / inside.sum(1).clamp(min=1)
    without = (loss * (1 - inside)).sum(1) / (1 - inside).sum(1).clamp(min=1)
    return (0.5 * within + without).mean()


def _binary(masks: Tensor, side: int) -> Tensor:
    """Places of a grid that a mask covers by half, or by half of its best where it covers none so."""
    shares = F.adaptive_avg_pool2d(masks[:, None], side)[:, 0]
    best = shares.amax((1, 2), keepdim=True)
    return ((shares >= COVERED * best.clamp(max=1)) & (shares > 0)).float()
