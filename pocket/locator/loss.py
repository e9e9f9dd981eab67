"""Losses of pocket-locator: what every pixel should say to every phrase.

Knows nothing of images, files or training schedules.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from foveate.pocket.anatomy import Structure, part_ids, parts, structures


@cache
def membership() -> Tensor:
    """(structures, labels) bool: which labels belong to which structure."""
    table = torch.zeros(len(structures()), len(parts()) + 1, dtype=torch.bool)
    for i, item in enumerate(structures()):
        table[i, part_ids(item)] = True
    return table


def exclusive(item: Structure) -> bool:
    """Whether the structure takes part in the softmax: its pixels belong to no other such structure."""
    return item.side != "both" and item.name not in ("left lung", "right lung", "lungs")


@cache
def exclusive_mask() -> Tensor:
    return torch.tensor([exclusive(s) for s in structures()])


def masks_of(labels: Tensor, chosen: Tensor) -> Tensor:
    """(B, h, w) labels and indices of structures → (B, structures, h, w) bool."""
    return membership().to(labels.device)[chosen][:, labels.long()].transpose(0, 1)


def balanced_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """BCE and dice, every (image, phrase) pair with the same weight, hard negatives weighing more.

    logits and masks (B, P, h, w); a phrase that names nothing here has an empty mask.
    """
    target = masks.to(logits.dtype)
    area = masks.sum((2, 3)).to(logits.dtype)
    present = area > 0
    probability = logits.sigmoid()
    negative = F.softplus(logits)
    inside = negative * target
    # the share of wrong pixels, relative to the structure's own size: small structures pay for small mistakes
    spill = ((negative - inside) * probability).sum((2, 3)) / area.clamp(min=24)
    missed = (inside.sum((2, 3)) - (logits * target).sum((2, 3))) / area.clamp(min=1)
    overlap = 2 * (probability * target).sum((2, 3))
    dice = 1 - (overlap + 1) / (probability.sum((2, 3)) + area + 1)
    hard = F.softplus(logits[~present].flatten(1).topk(24, dim=1).values).mean(1)
    found = (missed + 0.5 * spill.clamp(max=20) + dice)[present].mean()
    quiet = hard.mean() + hard.square().mean().sqrt()
    return found + 0.5 * quiet


def partition_loss(logits: Tensor, labels: Tensor, chosen: Tensor) -> Tensor:
    """Class-balanced cross-entropy over the chosen exclusive structures, with background at logit 0.

    logits (B, C, h, w) of the structures `chosen` (all exclusive), labels (B, h, w).
    """
    lookup = torch.zeros(len(parts()) + 1, dtype=torch.long)
    for k, s in enumerate(chosen.tolist()):
        lookup[membership()[s]] = k + 1
    target = lookup.to(labels.device)[labels.long()]
    count = torch.bincount(target.flatten(), minlength=len(chosen) + 1).float()
    weight = (count.mean() / count.clamp(min=30)).sqrt().clamp(max=6.0)
    background = torch.zeros_like(logits[:, :1])
    return F.cross_entropy(torch.cat([background, logits], 1), target, weight)
