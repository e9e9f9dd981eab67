"""Trains pocket-locator: `python -m foveate.pocket.locator.train --minutes 45`; resumes from
runs/pocket-locator.

On a GPU when there is one, else on two CPU cores in bfloat16. Every few minutes it writes a usable model.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress, TextColumn
from torch import Tensor

from foveate.pocket.anatomy import LESION, random_distractor, random_phrase, structures
from foveate.pocket.locator.batches import loader
from foveate.pocket.locator.loss import balanced_loss, exclusive_mask, masks_of, membership, partition_loss
from foveate.tools.grounding.dense import DenseConfig, DenseLocator, save_locator

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "pocket" / "weights" / "locator"
STRANGE = 10
LESION_PHRASES = 3
LESION_INDEX = [s.name for s in structures()].index(LESION)
RUN = ROOT / "runs" / "pocket-locator"


class Trainer:
    """The model, its running average, the optimizer and the clock, all of it in one checkpoint."""

    def __init__(self, seed: int, rate: float) -> None:
        torch.manual_seed(seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = DenseLocator(DenseConfig()).to(self.device)
        self.average = copy.deepcopy(self.model).eval()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=rate, weight_decay=0.01, betas=(0.9, 0.98)
        )
        self.rng = np.random.default_rng(seed)
        self.rate, self.step, self.seconds = rate, 0, 0.0

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "model": self.model.state_dict(), "average": self.average.state_dict(), "step": self.step,
            "optimizer": self.optimizer.state_dict(), "seconds": self.seconds,
        }  # fmt: skip
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def resume(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]

    def update(self, inputs: Tensor, labels: Tensor, progress: float) -> dict[str, float]:
        """One optimizer step; `progress` is the share of the planned time that is over."""
        rate = (
            self.rate
            * min(1.0, (self.step + 1) / 150)
            * (0.5 + 0.5 * math.cos(math.pi * min(progress, 0.985)))
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses = self._losses(inputs.to(self.device), labels.to(self.device))
        total = sum(losses.values(), torch.zeros((), device=self.device))
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        self.optimizer.step()
        self.step += 1
        keep = min(0.997, 1 - 1 / (self.step / 10 + 1))
        with torch.no_grad():
            for mean, live in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(live, 1 - keep)
        return {k: float(v.detach()) for k, v in losses.items()}

    def _losses(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        offset = self.rng.integers(0, 2, 2)
        half = labels[:, offset[0] :: 2, offset[1] :: 2]
        chosen = self._chosen(half)
        phrases = [random_phrase(self.rng, structures()[int(i)]) for i in chosen]
        phrases += [random_phrase(self.rng, structures()[LESION_INDEX]) for _ in range(LESION_PHRASES)]
        phrases += [random_distractor(self.rng) for _ in range(STRANGE)]
        with torch.autocast(self.device.type, torch.bfloat16):
            features = self.model.image(inputs)
        pixels = torch.nn.functional.normalize(features.float(), dim=1)
        text = self.model.encode_text(phrases)
        apart = exclusive_mask()[chosen]
        partition = self.model.logits(pixels, text[: len(chosen)][apart])
        # the balanced loss on a random part of the phrases: it costs as much as the network. Lesions are
        # always asked for: they are rare, and many wordings near theirs name nothing
        some = torch.from_numpy(self.rng.permutation(len(chosen))[:36])
        masks = masks_of(half, torch.cat([chosen[some], torch.full((LESION_PHRASES,), LESION_INDEX)]))
        empty = torch.zeros(len(masks), STRANGE, *masks.shape[2:], dtype=torch.bool, device=masks.device)
        logits = self.model.logits(pixels, torch.cat([text[: len(chosen)][some], text[len(chosen) :]]))
        return {
            "balanced": balanced_loss(logits, torch.cat([masks, empty], 1)),
            "partition": partition_loss(partition, half, chosen[apart]),
        }

    def _chosen(self, labels: Tensor) -> Tensor:
        """Indices of all structures in the batch and of some that are not."""
        there = torch.zeros(membership().shape[1], dtype=torch.bool)
        there[labels.unique().long().cpu()] = True
        present = (membership() & there).any(1)
        absent = torch.from_numpy(self.rng.permutation(torch.nonzero(~present)[:, 0].numpy())[:10])
        return torch.cat([torch.nonzero(present)[:, 0], absent]).sort().values


def snapshot(trainer: Trainer, folder: Path) -> dict[str, Any]:
    """Writes the running average as a usable model, calibrated on the held-out blocks. Returns the
    figures.
    """
    from foveate.pocket.locator.validate import calibrated

    extra, figures = calibrated(trainer.average.to("cpu"))
    trainer.average.to(trainer.device)
    extra["trained"] = {"steps": trainer.step, "minutes": round(trainer.seconds / 60, 1)}
    save_locator(trainer.average, folder, extra)
    return figures


def train(minutes: float, batch: int, seed: int, rate: float, every: float, weights: Path, run: Path) -> None:
    """Trains until `minutes` of training time in all are over; writes a snapshot every `every` minutes."""
    trainer = Trainer(seed, rate)
    if (run / "checkpoint.pt").exists():
        trainer.resume(run / "checkpoint.pt")
    source = loader(batch, seed + trainer.step)
    last = start = time.monotonic()
    done = trainer.seconds
    with Progress(*Progress.get_default_columns(), TextColumn("{task.fields[told]}")) as bar:
        task = bar.add_task("pocket-locator", total=minutes * 60, told="")
        while trainer.seconds < minutes * 60:
            losses = trainer.update(*next(source), progress=trainer.seconds / (minutes * 60))
            trainer.seconds = done + time.monotonic() - start
            told = f"step {trainer.step} " + " ".join(f"{k} {v:.3f}" for k, v in losses.items())
            bar.update(task, completed=trainer.seconds, told=told)
            if trainer.step % 50 == 0:
                bar.console.print(f"{trainer.seconds / 60:.1f} min {told}")
            if time.monotonic() - last > every * 60:
                trainer.save(run / "checkpoint.pt")
                bar.console.print(str(snapshot(trainer, weights)))
                last = time.monotonic()
    trainer.save(run / "checkpoint.pt")
    print(snapshot(trainer, weights))


def main() -> None:
    """Reads the options and trains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--every", type=float, default=5, help="minutes between usable snapshots")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--run", type=Path, default=RUN)
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    train(told.minutes, told.batch, told.seed, told.rate, told.every, told.weights, told.run)


if __name__ == "__main__":
    main()
