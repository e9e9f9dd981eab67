"""Trains pocket-diffusion's denoiser and text encoder together: `python -m foveate.pocket.diffusion.train
--minutes 60`.

The v-prediction loss and TokenCompose's grounding losses (arXiv 2312.03626; `grounding.py`): words are told
where to look, so reading places from this model's cross-attention is not zero-shot as in arXiv 2404.12920.
From captions alone, so small a model learned no places in the minutes that two cores give. Resumes from its
checkpoint, written every two minutes; the learning rate falls over the asked minutes; the running average
is what is saved. Needs the pool and the autoencoder. On a GPU when there is one.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTokenizer

from foveate.pocket.diffusion.batches import Batch, Latents, held_out, vocabulary_texts
from foveate.pocket.diffusion.captions import Caption
from foveate.pocket.diffusion.grounding import Recorder, grounding_loss, spans_of
from foveate.pocket.diffusion.model import (
    Scheduler,
    Size,
    Unet,
    Vae,
    autocast,
    pipeline,
    save,
    scheduler,
    text_encoder,
    token_ids,
    train_tokenizer,
    unet,
)
from foveate.pocket.diffusion.pool import POOL
from foveate.pocket.diffusion.vae import CHECKPOINT as VAE
from foveate.pocket.diffusion.vae import load_vae, write

RUN = Path("runs/pocket-diffusion")
WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "diffusion"
EVERY_SECONDS = 120.0
DROPOUT = 0.1
READING = 2.5
TOKEN, PIXEL = 0.5, 0.5


class Denoiser(nn.Module):
    """Text encoder and UNet as one: noised latents, steps and token ids → the predicted velocity."""

    def __init__(self, tokenizer: CLIPTokenizer, size: Size) -> None:
        super().__init__()
        self.text = text_encoder(tokenizer, size)
        self.unet: Unet = unet(size)

    def forward(self, noised: Tensor, steps: Tensor, ids: Tensor) -> Tensor:
        states = self.text(input_ids=ids).last_hidden_state
        made: Tensor = self.unet(noised, steps, states).sample
        return made


def diffusion_loss(
    model: Denoiser,
    schedule: Scheduler,
    latents: Tensor,
    ids: Tensor,
    noise: torch.Generator,
    counted: Tensor | None = None,
) -> Tensor:
    """Mean squared error of the velocity at one step per sample, the steps spread over the schedule; over
    the samples that are `counted`, bool (n,), all by default.
    """
    count, total = len(latents), int(schedule.config.num_train_timesteps)
    spread = (torch.arange(count) + torch.rand(count, generator=noise)) / count
    steps = (spread * total).long()[torch.randperm(count, generator=noise)].to(latents.device)
    fresh = torch.randn(latents.shape, generator=noise).to(latents.device)
    noised = schedule.add_noise(latents, fresh, steps)
    with autocast(latents.device.type):
        made = model(noised, steps, ids)
    errors = F.mse_loss(made.float(), schedule.get_velocity(latents, fresh, steps), reduction="none")
    errors = errors.mean((1, 2, 3))
    return errors.mean() if counted is None else errors[counted].sum() / counted.sum().clamp(min=1)


def _groups(model: Denoiser) -> list[dict[str, Any]]:
    """What reads the words learns faster: their share of the gradient is small at first."""
    reading = [p for name, p in model.named_parameters() if name.startswith("text.") or ".attn2." in name]
    kept = {id(p) for p in reading}
    others = [p for p in model.parameters() if id(p) not in kept]
    return [{"params": others, "share": 1.0}, {"params": reading, "share": READING}]


@dataclass(frozen=True)
class Checked:
    """Losses on held-out pictures."""

    told: float
    untold: float
    token: float
    pixel: float

    def __str__(self) -> str:
        return (
            f"held out: loss with captions {self.told:.4f}, without {self.untold:.4f},"
            f" token {self.token:.3f}, pixel {self.pixel:.3f}"
        )


class Trainer:
    """Model, running average, optimizer and clock, all in one checkpoint."""

    def __init__(self, tokenizer: CLIPTokenizer, size: Size, rate: float, seed: int) -> None:
        torch.manual_seed(seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tokenizer, self.schedule = tokenizer, scheduler()
        self.model = Denoiser(tokenizer, size).to(self.device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.recorder = Recorder(self.model.unet)
        self.optimizer = torch.optim.AdamW(
            _groups(self.model), lr=rate, weight_decay=0.01, betas=(0.9, 0.98), fused=True
        )
        self.rate, self.seed, self.step, self.seconds = rate, seed, 0, 0.0

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(), "average": self.average.state_dict(), "step": self.step,
            "optimizer": self.optimizer.state_dict(), "seconds": self.seconds,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]

    def update(self, source: Latents, batch: int, progress: float) -> tuple[float, float, float]:
        """One step; `progress` is the share of the planned time that is over. The denoising, token and pixel
        losses.
        """
        drawn = source.batch(np.random.default_rng((self.seed, self.step)), batch, DROPOUT)
        falling = 0.5 + 0.5 * math.cos(math.pi * min(progress, 0.97))
        for group in self.optimizer.param_groups:
            group["lr"] = group["share"] * self.rate * min(1.0, (self.step + 1) / 100) * falling
        noise = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)
        true = torch.tensor([c.true for c in drawn.captions], device=self.device)
        latents, ids = drawn.latents.to(self.device), self.ids(drawn)
        denoising = diffusion_loss(self.model, self.schedule, latents, ids, noise, true)
        token, pixel = self.grounding(drawn)
        loss = denoising + TOKEN * token + PIXEL * pixel
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        keep = min(0.998, 1 - 1 / (self.step / 8 + 1))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - keep)
        return float(denoising.detach()), float(token.detach()), float(pixel.detach())

    def ids(self, drawn: Batch) -> Tensor:
        return token_ids(self.tokenizer, [c.text for c in drawn.captions]).to(self.device)

    def grounding(self, drawn: Batch) -> tuple[Tensor, Tensor]:
        """Token and pixel loss of what the recorder kept of the last forward pass."""
        spans = spans_of(drawn.captions, drawn.labels, self.tokenizer, drawn.latents.shape[-1])
        return grounding_loss(self.recorder.take(), spans.to(self.device))

    @torch.no_grad()
    def validate(self, drawn: Batch) -> Checked:
        """The running average's losses on one batch; with and without words on the same noise."""
        latents, recorder = drawn.latents.to(self.device), self.recorder
        without = self.ids(replace(drawn, captions=(Caption(""),) * len(latents)))
        losses = []
        for ids in (self.ids(drawn), without):
            self.recorder = Recorder(self.average.unet)
            noise = torch.Generator().manual_seed(1)
            losses.append(float(diffusion_loss(self.average, self.schedule, latents, ids, noise)))
            if ids is not without:
                token, pixel = self.grounding(drawn)
        self.recorder = recorder
        return Checked(losses[0], losses[1], float(token), float(pixel))

    def export(self, vae: Vae, folder: Path) -> None:
        """Writes the running average as a pipeline folder."""
        save(pipeline(vae, self.average.text, self.tokenizer, self.average.unet), folder)


def tokenizer_for(run: Path, pool: Path) -> CLIPTokenizer:
    """The tokenizer of the run, trained the first time."""
    kept = run / "tokenizer"
    if not kept.exists():
        train_tokenizer(vocabulary_texts(pool)).save_pretrained(kept)
    loaded: CLIPTokenizer = CLIPTokenizer.from_pretrained(kept)
    return loaded


def train(
    minutes: float,
    batch: int,
    rate: float,
    seed: int,
    pool: Path,
    vae: Path,
    run: Path,
    weights: Path,
    size: Size,
) -> None:
    """Trains until `minutes` in all are over and writes `weights`."""
    coder = load_vae(vae, size)
    source, checkpoint = Latents(pool, coder), run / "model.pt"
    trainer = Trainer(tokenizer_for(run, pool), size, rate, seed)
    if checkpoint.exists():
        trainer.restore(torch.load(checkpoint, map_location=trainer.device, weights_only=True))
    checked = held_out(coder, 64)
    began, done, saved, smooth = time.monotonic(), trainer.seconds, time.monotonic(), np.zeros(3)
    while trainer.seconds < minutes * 60:
        losses = np.array(trainer.update(source, batch, trainer.seconds / (minutes * 60)))
        smooth = losses if not smooth.any() else 0.98 * smooth + 0.02 * losses
        trainer.seconds = done + time.monotonic() - began
        if trainer.step % 20 == 0:
            at = f"{trainer.seconds / 60:.1f}/{minutes:g} min step {trainer.step}"
            told = "denoising {:.4f}, token {:.3f}, pixel {:.3f}".format(*smooth)
            print(f"{at}: {told} ({len(source.told)} pictures)", flush=True)
        if trainer.step % 250 == 0:
            print(trainer.validate(checked), flush=True)
        if time.monotonic() - saved > EVERY_SECONDS:
            write(trainer.state(), checkpoint)
            source.refresh()
            saved = time.monotonic()
    write(trainer.state(), checkpoint)
    trainer.export(coder, weights)
    print(f"{trainer.validate(checked)}; wrote {weights}")


def main() -> None:
    """Reads the options and trains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pool", type=Path, default=POOL)
    parser.add_argument("--vae", type=Path, default=VAE)
    parser.add_argument("--run", type=Path, default=RUN)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    train(
        told.minutes, told.batch, told.rate, told.seed, told.pool, told.vae, told.run, told.weights, Size()
    )  # fmt: skip


if __name__ == "__main__":
    main()
