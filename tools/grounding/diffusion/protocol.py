"""What a recipe needs of a text-conditioned latent diffusion model, and nothing more.

Knows tensors, tokens and where attention layers sit; nothing of views, boxes, recipes or file layouts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from foveate.tools.grounding.diffusion.schedule import Schedule


@dataclass(frozen=True)
class Token:
    """One token of a prompt: the characters [start, end) it came from; special tokens and padding have
    none.
    """

    start: int
    end: int
    special: bool


@dataclass(frozen=True)
class EncodedText:
    """Prompts as the denoiser's cross-attention sees them.

    `states` (prompts, tokens, width); `tokens` tells of each position. `mask` (prompts, tokens) bool is given
    only where the denoiser itself must not attend to padding (Stable Diffusion does attend to it).
    """

    states: Tensor
    tokens: tuple[tuple[Token, ...], ...]
    mask: Tensor | None = None

    def rows(self, wanted: Sequence[int]) -> EncodedText:
        """The prompts with these numbers, in this order; a number may come twice."""
        index = list(wanted)
        mask = None if self.mask is None else self.mask[index]
        return EncodedText(self.states[index], tuple(self.tokens[i] for i in index), mask)

    def repeat(self, times: int) -> EncodedText:
        """All prompts, `times` in a row: 0, 1, 0, 1, …"""
        return self.rows(list(range(len(self.tokens))) * times)


@dataclass(frozen=True)
class ImageSpec:
    """What the image encoder takes: a square of `side` pixels, `channels` channels (grey is repeated), values
    from `low` to `high`. `latent_side` and `latent_channels` describe what it gives. `window` is the CT
    window (centre, width in HU) that the model was trained with, None where it takes the view as it is shown.
    """

    side: int
    channels: int
    low: float
    high: float
    latent_side: int
    latent_channels: int
    window: tuple[float, float] | None = None


# (queries, keys) of an attention module for hidden states (rows, places, width) and a context
# (rows, tokens, width): fp32, (rows, heads, places | tokens, head width), already scaled so that
# softmax(queries @ keys.T) are the probabilities.
Project = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Site:
    """One attention layer: its number in the order of computation (cross- and self-attention are counted
    apart), its name in the model, how often the latent grid has been halved there, and how to get at its
    queries and keys.
    """

    index: int
    name: str
    halvings: int
    module: nn.Module
    project: Project

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """(rows, columns) of places for latents of that size; each halving rounds up."""
        for _ in range(self.halvings):
            height, width = (height + 1) // 2, (width + 1) // 2
        return height, width


class Denoiser(Protocol):
    """A frozen text-conditioned latent diffusion model. All tensors on `device`; no method keeps
    gradients.
    """

    name: str
    device: str
    schedule: Schedule
    image: ImageSpec
    max_tokens: int
    cross_sites: tuple[Site, ...]
    self_sites: tuple[Site, ...]

    def encode_image(self, picture: Tensor) -> Tensor:
        """(1, 1, side, side) grey in [0, 1] → (1, latent_channels, latent_side, latent_side), scaled as the
        UNet takes it; the mean of the encoder's distribution, so that a picture always gives the same latent.
        """
        ...

    def encode_text(self, prompts: Sequence[str]) -> EncodedText:
        """Raises GrounderError for a prompt with more tokens than `max_tokens`."""
        ...

    def predict(self, latents: Tensor, timesteps: Tensor, text: EncodedText) -> Tensor:
        """The raw output for latents (rows, c, h, w) at timesteps (rows,) with one prompt a row."""
        ...
