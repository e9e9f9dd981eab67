"""Pictures with their facts on disk: `python -m foveate.pocket.diffusion.pool --count 24000`, and then
`--count 10000 --seed 1 --alone` for single structures on an empty ground.

Making a picture costs as much as a third of a training step, so each serves a few times, always under a
fresh caption and fresh noise. Shard n depends on the seed and n alone; what exists is kept. Knows nothing
of models.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from foveate.pocket.diffusion.scenes import Fact, Picture, random_picture

POOL = Path("runs/pocket-diffusion/pool")
SHARD = 250


@dataclass(frozen=True)
class Told:
    """What a caption is made from."""

    facts: tuple[Fact, ...]
    window: str
    erased: str


@dataclass(frozen=True)
class Shard:
    """`grey` and `labels` uint8 (n, side, side) and one `Told` for each picture."""

    grey: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    told: tuple[Told, ...]


def write_shard(path: Path, pictures: list[Picture]) -> None:
    """Writes pictures as one compressed file, complete or not at all."""
    told = [{"facts": [asdict(f) for f in p.facts], "window": p.window, "erased": p.erased} for p in pictures]
    part = path.with_suffix(".part.npz")
    grey, labels = np.stack([p.grey for p in pictures]), np.stack([p.labels for p in pictures])
    np.savez_compressed(part, grey=grey, labels=labels, told=np.array(json.dumps(told)))
    part.replace(path)


def read_shard(path: Path) -> Shard:
    """One file of `write_shard`."""
    with np.load(path) as file:
        grey, labels, told = file["grey"], file["labels"], json.loads(str(file["told"]))
    made = (Told(tuple(Fact(**f) for f in t["facts"]), t["window"], t["erased"]) for t in told)
    return Shard(grey, labels, tuple(made))


def shard_paths(folder: Path = POOL) -> list[Path]:
    """All finished shards in order."""
    return [p for p in sorted(folder.glob("*.npz")) if not p.name.endswith(".part.npz")]


def make(count: int, seed: int, folder: Path = POOL, alone: bool = False) -> None:
    """Makes the shards that are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    for n in range(-(-count // SHARD)):
        path = folder / f"{seed:03d}-{n:04d}.npz"
        if path.exists():
            continue
        rng = np.random.default_rng((seed, n))
        write_shard(path, [random_picture(rng, alone=alone) for _ in range(SHARD)])
        print(f"{(n + 1) * SHARD}/{count} pictures, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=24000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pool", type=Path, default=POOL)
    parser.add_argument("--alone", action="store_true", help="single structures on an empty ground")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    make(options.count, options.seed, options.pool, options.alone)
