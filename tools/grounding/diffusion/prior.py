"""Where the location words of a phrase point: a Gaussian on the body's box. Knows no picture's content but
its extent, so a prior alone is a baseline that sees nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from foveate.tools.grounding.diffusion.words import lexicon, words_of

_WIDE = 0.30
"""Standard deviation, as a share of the picture, along a direction that no word tells of."""


def location_prior(phrase: str, height: int, width: int) -> Tensor:
    """(height, width) in (0, 1]: the product of the location words' Gaussians (centred where none tells).

    The patient's right is on the left of the picture, head or front on top; see words.toml.
    """
    table = lexicon()["prior"]
    told = [table[word.text] for word in words_of(phrase) if word.text in table]
    x, y = _along(told, "x", width), _along(told, "y", height)
    prior = y[:, None] * x[None]
    return prior / prior.max()


def center_gaussian(height: int, width: int, sigma: float = 0.25) -> Tensor:
    """(height, width) in (0, 1]: a Gaussian in the middle, the baseline that knows neither picture nor
    phrase.
    """
    rows, cols = (_gauss(n, 0.5, sigma) for n in (height, width))
    return rows[:, None] * cols[None]


def says_where(phrase: str) -> bool:
    """Whether any word of the phrase has a place in the prior."""
    return any(word.text in lexicon()["prior"] for word in words_of(phrase))


def _along(told: list[dict[str, float]], axis: str, size: int) -> Tensor:
    out = torch.ones(size)
    named = [entry for entry in told if axis in entry]
    for entry in named:
        out = out * _gauss(size, entry[axis], entry[f"s{axis}"])
    return out if named else _gauss(size, 0.5, _WIDE)


def _gauss(size: int, mean: float, sigma: float) -> Tensor:
    place = (torch.arange(size) + 0.5) / size
    return torch.exp(-0.5 * ((place - mean) / sigma) ** 2)
