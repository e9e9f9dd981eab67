"""The noise schedule: what a timestep means, and the deterministic steps between two of them.

DDIM (Song et al., arXiv 2010.02502, eq. 12 with eta 0), both ways; v-prediction as in arXiv 2202.00512. Knows
no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Prediction = Literal["epsilon", "v_prediction", "sample"]
Spacing = Literal["whole", "leading"]


@dataclass(frozen=True)
class Schedule:
    """`alphas` (T,) float64: the cumulative products of 1 − β, falling. `prediction` says what the UNet
    gives."""

    alphas: Tensor
    prediction: Prediction

    def __len__(self) -> int:
        return len(self.alphas)

    def descending(self, steps: int, spacing: Spacing) -> list[int]:
        """Timesteps from noise to image.

        "whole": the last timestep and every (T // steps)-th before it, so that 300 steps of 1000 are really
        334 (MONAI's trailing spacing). "leading": as diffusers' DDIM with an offset of 1 (981, 961, …, 1).
        """
        gap = len(self) // steps
        if spacing == "whole":
            return list(range(len(self) - 1, -1, -gap))
        return [min(i * gap + 1, len(self) - 1) for i in reversed(range(steps))]

    def add_noise(self, image: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """q(x_t | x_0): latents (rows, c, h, w) at timesteps (rows,)."""
        signal, spread = self._scales(timesteps, image)
        return signal * image + spread * noise

    def split(self, output: Tensor, latents: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """The raw output → (predicted image latent, predicted noise)."""
        signal, spread = self._scales(timesteps, latents)
        if self.prediction == "epsilon":
            return (latents - spread * output) / signal, output
        if self.prediction == "sample":
            return output, (latents - signal * output) / spread
        return signal * latents - spread * output, signal * output + spread * latents

    def move(self, image: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """The latents that a prediction implies at another timestep; later is inversion, earlier sampling."""
        signal, spread = self._scales(timesteps, image)
        return signal * image + spread * noise

    def _scales(self, timesteps: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        kept = self.alphas[timesteps.cpu()].to(torch.float64)[:, None, None, None]
        return kept.sqrt().to(like), (1 - kept).sqrt().to(like)
