"""Training batches for the denoiser: cached latents of the pool's pictures, each under a fresh caption.

Step n's batch depends on the seed, n and the pool alone, so a resumed run goes on as the cut one would have.
Knows the autoencoder and the captions; nothing of the denoiser.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from foveate.pocket.anatomy import structures
from foveate.pocket.augment import HELD_OUT
from foveate.pocket.diffusion.captions import Caption, caption
from foveate.pocket.diffusion.model import Vae, autocast, to_input
from foveate.pocket.diffusion.pool import Shard, Told, read_shard, shard_paths
from foveate.pocket.diffusion.scenes import random_picture


@dataclass(frozen=True)
class Batch:
    """`latents` float32 (n, 4, h, w), `labels` uint8 (n, side, side) and a caption each."""

    latents: Tensor
    labels: npt.NDArray[np.uint8]
    captions: tuple[Caption, ...]


def vae_hash(vae: Vae) -> str:
    """Names the folder of cached latents: those of another autoencoder are never read."""
    digest = sha256()
    for value in vae.state_dict().values():
        digest.update(value.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:12]


@torch.no_grad()
def encode(vae: Vae, grey: npt.NDArray[np.uint8], batch: int = 25) -> Tensor:
    """Scaled latent means, float16 (n, 4, h, w), of pictures."""
    device = next(vae.parameters()).device
    rows = [to_input(grey[i : i + batch]).to(device) for i in range(0, len(grey), batch)]
    with autocast(device.type):
        means = torch.cat([vae.encode(row.contiguous()).latent_dist.mean.float().cpu() for row in rows])
    scaled: Tensor = (means * vae.config.scaling_factor).half()
    return scaled


class Latents:
    """All pictures of the pool as latents with what a caption is made from. `refresh` takes in new shards."""

    def __init__(self, pool: Path, vae: Vae) -> None:
        self.pool, self.vae = pool, vae
        self.cache = pool.parent / f"latents-{vae_hash(vae)}"
        self.seen: set[str] = set()
        self.latents = torch.zeros(0, 4, 0, 0, dtype=torch.float16)
        self.labels = np.zeros((0, 0, 0), np.uint8)
        self.told: list[Told] = []
        self.refresh()
        if not self.told:
            raise FileNotFoundError(
                f"no pictures in {pool}: run `python -m foveate.pocket.diffusion.pool` first"
            )

    def refresh(self, most: int = 8) -> None:
        """Takes in the shards whose latents are cached and `most` others, so that training need not wait."""
        self.cache.mkdir(parents=True, exist_ok=True)
        fresh, others = [], 0
        for path in shard_paths(self.pool):
            others += not self._kept(path).exists()
            if path.name not in self.seen and (self._kept(path).exists() or others <= most):
                fresh.append(path)
        made = [(self.latents, self.labels)] if self.told else []
        for path in fresh:
            shard = read_shard(path)
            made.append((self._latents_of(path, shard), shard.labels))
            self.told.extend(shard.told)
            self.seen.add(path.name)
        if fresh:
            self.latents = torch.cat([latents for latents, _ in made])
            self.labels = np.concatenate([labels for _, labels in made])

    def _kept(self, path: Path) -> Path:
        return self.cache / f"{path.stem}.npy"

    def _latents_of(self, path: Path, shard: Shard) -> Tensor:
        kept = self._kept(path)
        if not kept.exists():
            part = kept.with_suffix(".part.npy")
            np.save(part, encode(self.vae, shard.grey).numpy())
            part.replace(kept)
        return torch.from_numpy(np.load(kept))

    def batch(self, rng: np.random.Generator, count: int, dropout: float) -> Batch:
        """`count` pictures, a share `dropout` of them without words."""
        chosen = rng.choice(len(self.told), count, replace=len(self.told) < count)
        captions = tuple(write(rng, self.told[int(i)], dropout) for i in chosen)
        return Batch(self.latents[torch.from_numpy(chosen)].float(), self.labels[chosen], captions)


def write(rng: np.random.Generator, told: Told, dropout: float = 0.0) -> Caption:
    """A caption, or no words at all."""
    if rng.random() < dropout:
        return Caption("")
    return caption(rng, told.facts, told.window, told.erased)


def held_out(vae: Vae, count: int, seed: int = 900) -> Batch:
    """Pictures from the held-out blocks with true captions."""
    rng = np.random.default_rng(seed)
    pictures = [random_picture(rng, HELD_OUT[i % len(HELD_OUT)]) for i in range(count)]
    captions = tuple(caption(rng, p.facts, p.window, p.erased, false=0.0) for p in pictures)
    latents = encode(vae, np.stack([p.grey for p in pictures])).float()
    return Batch(latents, np.stack([p.labels for p in pictures]), captions)


def vocabulary_texts(pool: Path, shards: int = 12, seed: int = 0) -> Iterator[str]:
    """What the tokenizer is trained on: captions, every wording of every structure, and other words."""
    from foveate.pocket.anatomy import distractors

    rng = np.random.default_rng(seed)
    for path in shard_paths(pool)[:shards]:
        yield from (write(rng, told).text for told in read_shard(path).told)
    for item in structures():
        yield from _often(item.phrases(), 4)
    bank: dict[str, Any] = dict(distractors())
    yield from _often([*bank["phrases"], *bank["words"]], 2)


def _often(texts: Iterable[str], times: int) -> Iterator[str]:
    for text in texts:
        yield from [text] * times
