"""Phrases against the known vocabulary: a pixel that says another name louder does not count for this one.

The contrast that open-vocabulary maps take from background prompts (as in MaskCLIP, ECCV 2022), here from all
structures that the model was trained on and that cannot overlap the one asked for. Knows tensors and
part names only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# below this cosine to every known name a phrase is taken to name none of them
KNOWN_COSINE = 0.6
# names and synonyms of the training's vocabulary have more; names of other things have up to 0.83
TAUGHT_COSINE = 0.9


@dataclass(frozen=True)
class Vocabulary:
    """Known names, their unit vectors (names, embed), and for each the names that can never share a
    pixel with it.
    """

    names: tuple[str, ...]
    vectors: Tensor
    exclusive: Tensor
    apart: Tensor

    @staticmethod
    def of(table: Mapping[str, Mapping[str, Any]], vectors: Tensor) -> Vocabulary:
        """From config.json's `structures`: "parts" and "exclusive" per name; without them nothing
        competes.
        """
        parts = [set(entry.get("parts", ())) for entry in table.values()]
        exclusive = torch.tensor([bool(entry.get("exclusive", False)) for entry in table.values()])
        apart = torch.tensor([[not (a & b) for b in parts] for a in parts])
        return Vocabulary(tuple(table), vectors, exclusive, apart & exclusive)

    def nearest(self, vector: Tensor) -> int | None:
        """Index of the known name that a phrase means, None when it means none."""
        cosine = self.vectors @ vector
        best = int(cosine.argmax())
        return best if float(cosine[best]) >= KNOWN_COSINE else None

    def taught(self, vector: Tensor) -> bool:
        """Whether a phrase is one of the known names or a synonym of one, as far as its vector tells."""
        return float((self.vectors @ vector).max()) >= TAUGHT_COSINE

    def rivals(self, vector: Tensor) -> Tensor:
        """(names,) bool: who competes with a phrase; all exclusive names when it means none of them."""
        known = self.nearest(vector)
        return self.exclusive if known is None else self.apart[known]


def compete(logits: Tensor, known: Tensor, rivals: Sequence[bool] | Tensor) -> Tensor:
    """(h, w) logits of a phrase less the best positive logit of its rivals among `known` (names, h, w)."""
    chosen = known[torch.as_tensor(rivals)]
    return logits - chosen.amax(0).clamp(min=0) if len(chosen) else logits
