"""Stage 1: teaches the vision tower what lies where, before any language.

Every merged token (28 x 28 pixels of a view) must say how much of each anatomical part lies in each of its
four patches (soft multi-label targets). The linear head is thrown away; tower and merger are what stage 2
starts from. `python -m foveate.pocket.vlm.vision --minutes 20` resumes from its checkpoint.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

from foveate.pocket.vlm.model import MERGE, PATCH, TEXT_WIDTH, autocast, image_processor, vision_config
from foveate.pocket.vlm.scenes import CLASSES, random_scene, random_view_of

CHECKPOINT = Path("runs/pocket-vlm/vision.pt")


def patch_targets(labels: np.ndarray[Any, Any], width: int, height: int) -> np.ndarray[Any, Any]:
    """Label image (height, width) → float32 (tokens, 4, CLASSES): each class's share of each patch."""
    rows, cols = height // PATCH, width // PATCH
    blocks = labels[: rows * PATCH, : cols * PATCH].reshape(rows, PATCH, cols, PATCH).transpose(0, 2, 1, 3)
    flat = blocks.reshape(rows * cols, PATCH * PATCH).astype(np.int64)
    flat += np.arange(rows * cols)[:, None] * CLASSES
    counts = np.bincount(flat.ravel(), minlength=rows * cols * CLASSES).reshape(rows, cols, CLASSES)
    merged = counts.reshape(rows // MERGE, MERGE, cols // MERGE, MERGE, CLASSES).transpose(0, 2, 1, 3, 4)
    shares: np.ndarray[Any, Any] = merged.reshape(-1, MERGE * MERGE, CLASSES).astype(np.float32) / PATCH**2
    return shares


class Views(IterableDataset[dict[str, Tensor]]):
    """Endless random views with targets; `seed` and the worker's number decide the stream."""

    def __init__(self, seed: int, batch: int) -> None:
        self.seed, self.batch = seed, batch

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        torch.set_num_threads(1)
        processor = image_processor()
        while True:
            pictures: list[Image.Image] = []
            targets: list[np.ndarray[Any, Any]] = []
            while len(pictures) < self.batch:
                scene = random_scene(rng)
                for _ in range(3):
                    picture, labels = random_view_of(rng, scene)
                    pictures.append(picture)
                    targets.append(patch_targets(labels, picture.width, picture.height))
            made = processor(images=pictures, return_tensors="pt")
            yield {
                "pixels": made["pixel_values"],
                "grid": made["image_grid_thw"],
                "targets": torch.from_numpy(np.concatenate(targets)),
            }


class DenseTower(nn.Module):
    """The tower with its throw-away head."""

    def __init__(self) -> None:
        super().__init__()
        config = Qwen2_5_VLVisionConfig(**vision_config())
        config._attn_implementation = "sdpa"
        self.tower = Qwen2_5_VisionTransformerPretrainedModel(config)
        self.norm = nn.LayerNorm(TEXT_WIDTH)
        self.head = nn.Linear(TEXT_WIDTH, MERGE * MERGE * CLASSES)

    def forward(self, pixels: Tensor, grid: Tensor) -> Tensor:
        tokens = self.tower(pixels, grid).pooler_output
        return self.head(self.norm(tokens)).view(-1, MERGE * MERGE, CLASSES)  # type: ignore[no-any-return]


def dense_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy with soft targets; what is there counts as much as what is not."""
    loss = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    weight = 1.0 + 4.0 * (targets > 0.02)
    return (loss * weight).sum(-1).mean()


def patch_f1(logits: Tensor, targets: Tensor) -> float:
    """Mean over classes present of the F1 at logit 0 for "at least a quarter of the patch"."""
    said, true = logits > 0, targets > 0.25
    hits = (said & true).sum((0, 1)).float()
    f1 = 2 * hits / (said.sum((0, 1)) + true.sum((0, 1))).clamp(min=1)
    return float(f1[true.any(0).any(0)].mean())


def train(minutes: float, batch: int = 12, lr: float = 1e-3, seed: int = 0, total_steps: int = 3000) -> None:
    """Trains for that long, or to `total_steps`, from the checkpoint when there is one."""
    torch.manual_seed(seed)
    model = DenseTower()
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=0.02)
    step = _resume(model, optimiser)
    loader = iter(DataLoader(Views(seed + step, batch), batch_size=None, num_workers=1, prefetch_factor=4))
    start, smooth, quality = time.time(), 0.0, 0.0
    while step < total_steps and time.time() - start < minutes * 60:
        rate = lr * min(1.0, (step + 1) / 100) * max(0.02, 1 - step / total_steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        data = next(loader)
        with autocast():
            logits = model(data["pixels"], data["grid"])
        logits = logits.float()
        loss = dense_loss(logits, data["targets"])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        smooth = loss.item() if not smooth else 0.98 * smooth + 0.02 * loss.item()
        value = patch_f1(logits.detach(), data["targets"])
        quality = value if not quality else 0.98 * quality + 0.02 * value
        if step % 25 == 0:
            print(f"step {step} loss {smooth:.3f} f1 {quality:.3f} {time.time() - start:.0f} s", flush=True)
        if step % 50 == 0:
            _save(model, optimiser, step)
    _save(model, optimiser, step)


def _save(model: DenseTower, optimiser: torch.optim.Optimizer, step: int) -> None:
    CHECKPOINT.parent.mkdir(parents=True, exist_ok=True)
    part = CHECKPOINT.with_suffix(".part")
    torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step}, part)
    part.replace(CHECKPOINT)


def _resume(model: DenseTower, optimiser: torch.optim.Optimizer) -> int:
    if not CHECKPOINT.exists():
        return 0
    state = torch.load(CHECKPOINT, weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(options.minutes, total_steps=options.steps)
