"""Trains the autoencoder: `python -m foveate.pocket.diffusion.vae --minutes 10`; resumes from its
checkpoint.

Absolute and gradient error plus a weak pull of the latents towards a unit Gaussian; no adversary, no
perceptual network. The end of training measures the latents' standard deviation, which becomes the
scaling factor.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from foveate.pocket.diffusion.model import Size, Vae, autocast, autoencoder, to_input
from foveate.pocket.diffusion.pool import POOL, read_shard, shard_paths

CHECKPOINT = Path("runs/pocket-diffusion/vae.pt")
KL_WEIGHT = 1e-5
EVERY_SECONDS = 100.0
WHOLE_FROM = 0.75


def reconstruction_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute error of the values and, weighed the same, of their differences along rows and
    columns.
    """
    error = (made - wanted)[:, :1]
    rows, cols = error.diff(dim=-2).abs().mean(), error.diff(dim=-1).abs().mean()
    total: Tensor = error.abs().mean() + rows + cols
    return total


def loss_of(vae: Vae, pictures: Tensor, noise: torch.Generator | None = None) -> Tensor:
    """The training loss of a batch (n, 3, h, w) in [-1, 1]."""
    with autocast(pictures.device.type):
        posterior = vae.encode(pictures).latent_dist
        made = vae.decode(posterior.sample(noise)).sample
    kl = posterior.kl().mean()
    total: Tensor = reconstruction_loss(made.float(), pictures) + KL_WEIGHT * kl.float()
    return total


class Trainer:
    """The autoencoder, its optimizer and its clock, all in one checkpoint. Step n's batch depends on the
    seed, n and the pool alone.
    """

    def __init__(self, size: Size, rate: float, seed: int) -> None:
        torch.manual_seed(seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.vae = autoencoder(size).to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.vae.parameters(), lr=rate, weight_decay=1e-3, betas=(0.9, 0.98)
        )
        self.rate, self.seed, self.step, self.seconds = rate, seed, 0, 0.0

    def state(self) -> dict[str, Any]:
        return {
            "model": self.vae.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step,
            "seconds": self.seconds, "scaling_factor": float(self.vae.config.scaling_factor),
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        self.vae.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]

    def update(self, grey: np.ndarray[Any, Any], batch: int, progress: float) -> float:
        """One step on a random batch of `grey` (n, h, w); `progress` is the share of the planned time
        gone.

        Quarter pictures first, four for the price of one; whole ones at the end, as group norm sees the
        difference.
        """
        rng = np.random.default_rng((self.seed, self.step))
        pictures = grey[rng.choice(len(grey), batch, replace=len(grey) < batch)]
        if progress < WHOLE_FROM:
            row, col = rng.integers(0, grey.shape[1] // 2 + 1, 2)
            pictures = pictures[:, row : row + grey.shape[1] // 2, col : col + grey.shape[2] // 2]
        else:
            pictures = pictures[: batch // 4 + 1]
        noise = torch.Generator(self.device).manual_seed(self.seed + self.step)
        rate = (
            self.rate * min(1.0, (self.step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * min(progress, 0.98)))
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(self.vae, to_input(pictures).contiguous().to(self.device), noise)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.vae.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return float(loss.detach())


def train(
    minutes: float, batch: int, rate: float, seed: int, pool: Path, checkpoint: Path, size: Size
) -> None:
    """Trains until `minutes` in all are over and writes the checkpoint with the scaling factor."""
    trainer = Trainer(size, rate, seed)
    if checkpoint.exists():
        trainer.restore(torch.load(checkpoint, map_location=trainer.device, weights_only=True))
    began, done, saved, smooth = time.monotonic(), trainer.seconds, time.monotonic(), 0.0
    grey = _pictures(pool)
    while trainer.seconds < minutes * 60:
        loss = trainer.update(grey, batch, trainer.seconds / (minutes * 60))
        smooth = loss if not smooth else 0.95 * smooth + 0.05 * loss
        trainer.seconds = done + time.monotonic() - began
        if trainer.step % 50 == 0:
            print(
                f"{trainer.seconds / 60:.1f}/{minutes:g} min step {trainer.step} loss {smooth:.4f}",
                flush=True,
            )
        if time.monotonic() - saved > EVERY_SECONDS:
            write(trainer.state(), checkpoint)
            saved, grey = time.monotonic(), _pictures(pool)
    trainer.vae.register_to_config(scaling_factor=scaling_factor(trainer.vae, grey[:256]))
    write(trainer.state(), checkpoint)
    print(f"scaling factor {trainer.vae.config.scaling_factor:.4f}")


def _pictures(pool: Path, most: int = 40) -> np.ndarray[Any, Any]:
    """The first shards of the pool: the autoencoder does not need more."""
    paths = shard_paths(pool)[:most]
    if not paths:
        raise FileNotFoundError(f"no pictures in {pool}: run `python -m foveate.pocket.diffusion.pool` first")
    return np.concatenate([read_shard(path).grey for path in paths])


@torch.no_grad()
def scaling_factor(vae: Vae, grey: np.ndarray[Any, Any]) -> float:
    """One over the standard deviation of the latents."""
    device = next(vae.parameters()).device
    means = [
        vae.encode(to_input(grey[i : i + 32]).to(device)).latent_dist.mean for i in range(0, len(grey), 32)
    ]
    return float(1 / torch.cat(means).std())


def write(state: dict[str, Any], path: Path) -> None:
    """Writes a checkpoint whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def load_vae(checkpoint: Path, size: Size) -> Vae:
    """The trained autoencoder with its scaling factor."""
    if not checkpoint.exists():
        raise FileNotFoundError(f"no {checkpoint}: run `python -m foveate.pocket.diffusion.vae` first")
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    vae = autoencoder(size)
    vae.load_state_dict(state["model"])
    vae.register_to_config(scaling_factor=state["scaling_factor"])
    vae.eval()
    return vae


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pool", type=Path, default=POOL)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    train(told.minutes, told.batch, told.rate, told.seed, told.pool, told.checkpoint, Size())
