"""Stage 2: teaches the language side to ask for tools, read what they return, look at crops and answer.

Imitation of the teacher's conversations (`trajectories`): cross-entropy on the assistant's turns only. The
vision tower comes from stage 1 and stays frozen but for its merger. `python -m foveate.pocket.vlm.train
--minutes 50` resumes from its checkpoint; `--text-only` trains on the words without pictures (grammar and
copying come first, at half the cost). The finished folder is pocket/weights/vlm.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

from foveate.pocket.vlm import vision
from foveate.pocket.vlm.copying import seed_copying
from foveate.pocket.vlm.model import MERGE, autocast, build, image_processor, save
from foveate.pocket.vlm.tokenizer import train_tokenizer
from foveate.pocket.vlm.trajectories import FOLDER

RUN = Path("runs/pocket-vlm")
WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "vlm"
HELD_OUT = "000"  # shards of this seed are for validation


def records(folder: Path, held_out: bool = False) -> Iterator[dict[str, Any]]:
    """All conversations on disk, shard by shard."""
    for path in sorted(folder.glob("*.jsonl")):
        if path.name.startswith(HELD_OUT) == held_out:
            with path.open() as file:
                yield from (json.loads(line) for line in file)


def tokenizer_for(folder: Path) -> Qwen2Tokenizer:
    """The tokenizer of the run, trained on the conversations of `folder` the first time."""
    kept = RUN / "tokenizer"
    if kept.exists():
        return cast(Qwen2Tokenizer, AutoTokenizer.from_pretrained(kept))
    made = train_tokenizer(text for record in records(folder) for text in _texts(record))
    made.save_pretrained(kept)
    return made


def _texts(record: dict[str, Any]) -> Iterator[str]:
    for message in record["messages"]:
        yield from (part["text"] for part in message["content"] if part["type"] == "text")
        for call in message.get("tool_calls", []):
            yield json.dumps(call["function"])


@dataclass
class Sample:
    """One conversation as ids; `labels` is -100 but for what the assistant wrote."""

    ids: list[int]
    labels: list[int]
    pixels: Tensor | None
    grid: Tensor | None


class Encoder:
    """Conversation → Sample."""

    def __init__(self, tokenizer: Qwen2Tokenizer, text_only: bool = False) -> None:
        self.tokenizer, self.text_only = tokenizer, text_only
        self.processor = image_processor()
        ids = tokenizer.get_vocab()
        self.pad_image, self.start, self.end = ids["<|image_pad|>"], ids["<|im_start|>"], ids["<|im_end|>"]
        self.head = tokenizer("assistant\n", add_special_tokens=False)["input_ids"]

    def __call__(self, record: dict[str, Any]) -> Sample:
        tools: list[Any] = [{"type": "function", "function": {"name": name}} for name in record["tools"]]
        text = self.tokenizer.apply_chat_template(record["messages"], tools=tools, tokenize=False)
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        pixels = grid = None
        if not self.text_only:
            pixels, grid = self._pictures(record)
            ids = self._expand(ids, grid)
        else:
            ids = [i for i in ids if i != self.pad_image]
        return Sample(ids, self._labels(ids), pixels, grid)

    def _pictures(self, record: dict[str, Any]) -> tuple[Tensor, Tensor]:
        names = [p["view"] for m in record["messages"] for p in m["content"] if p["type"] == "image"]
        pictures = [
            Image.open(io.BytesIO(base64.b64decode(record["pictures"][name]))).convert("RGB")
            for name in names
        ]
        made = self.processor(images=pictures, return_tensors="pt")
        return made["pixel_values"], made["image_grid_thw"]

    def _expand(self, ids: list[int], grid: Tensor) -> list[int]:
        counts = iter((grid.prod(-1) // MERGE**2).tolist())
        return [j for i in ids for j in ([i] * next(counts) if i == self.pad_image else [i])]

    def _labels(self, ids: list[int]) -> list[int]:
        labels, inside, n = [-100] * len(ids), False, len(self.head)
        for i, token in enumerate(ids):
            if inside:
                labels[i] = token
                inside = token != self.end
            elif ids[i - n : i] == self.head and ids[i - n - 1] == self.start:
                labels[i], inside = token, True
        return labels


class Batches(IterableDataset[dict[str, Tensor]]):
    """Endless shuffled batches of conversations of like length."""

    def __init__(
        self, folder: Path, tokenizer: Qwen2Tokenizer, batch: int, seed: int, text_only: bool
    ) -> None:
        self.folder, self.batch, self.seed = folder, batch, seed
        self.encoder = Encoder(tokenizer, text_only)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        torch.set_num_threads(1)
        rng = np.random.default_rng(self.seed)
        while True:  # every pass sees the shards that have appeared meanwhile
            paths = [p for p in sorted(self.folder.glob("*.jsonl")) if not p.name.startswith(HELD_OUT)]
            for start in rng.permutation(len(paths)):
                lines = paths[start].read_text().splitlines()
                whole = (r for r in map(json.loads, lines) if r["stopped_by"] == "answer")
                samples = sorted(map(self.encoder, whole), key=lambda s: len(s.ids))
                groups = [samples[i : i + self.batch] for i in range(0, len(samples), self.batch)]
                for i in rng.permutation(len(groups)):
                    yield collate(groups[i], self.encoder.tokenizer.pad_token_id, self.encoder.pad_image)


def collate(samples: list[Sample], pad: int, pad_image: int) -> dict[str, Tensor]:
    """Right-padded batch as the model's forward takes it."""
    # few different lengths: every new shape costs the matrix library a kernel
    longest = -(-max(len(s.ids) for s in samples) // 32) * 32
    ids = torch.tensor([s.ids + [pad] * (longest - len(s.ids)) for s in samples])
    labels = torch.tensor([s.labels + [-100] * (longest - len(s.labels)) for s in samples])
    mask = torch.tensor([[1] * len(s.ids) + [0] * (longest - len(s.ids)) for s in samples])
    made = {"input_ids": ids, "labels": labels, "attention_mask": mask}
    if samples[0].pixels is None:
        return made
    return made | {
        "pixel_values": torch.cat([s.pixels for s in samples if s.pixels is not None]),
        "image_grid_thw": torch.cat([s.grid for s in samples if s.grid is not None]),
        "mm_token_type_ids": (ids == pad_image).int(),
    }


def prepare(tokenizer: Qwen2Tokenizer, seed: int) -> Qwen2_5_VLForConditionalGeneration:
    """The model with stage 1's tower, frozen but for the merger."""
    torch.manual_seed(seed)
    model = build(tokenizer)
    seed_copying(model, tokenizer, seed)
    if vision.CHECKPOINT.exists():
        load_tower(model)
    return _frozen_tower(model)


def shipped(folder: Path) -> tuple[Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer]:
    """The model and tokenizer of a finished folder, to be trained further."""
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    return _frozen_tower(model), cast(Qwen2Tokenizer, AutoTokenizer.from_pretrained(folder))


def _frozen_tower(model: Qwen2_5_VLForConditionalGeneration) -> Qwen2_5_VLForConditionalGeneration:
    tower = model.model.visual
    tower.requires_grad_(False)
    tower.merger.requires_grad_(True)
    return model


def load_tower(model: Qwen2_5_VLForConditionalGeneration) -> None:
    state = torch.load(vision.CHECKPOINT, weights_only=True)["model"]
    model.model.visual.load_state_dict(
        {key.removeprefix("tower."): value for key, value in state.items() if key.startswith("tower.")}
    )


@torch.no_grad()
def validate(
    model: Qwen2_5_VLForConditionalGeneration, encoder: Encoder, folder: Path, count: int = 24
) -> tuple[float, float]:
    """(loss, share of conversations whose every assistant token is the likeliest) on held-out shards."""
    model.eval()
    losses: list[float] = []
    exact: list[float] = []
    for i, record in enumerate(records(folder, held_out=True)):
        if i >= count:
            break
        data = collate([encoder(record)], encoder.tokenizer.pad_token_id, encoder.pad_image)
        out = model(**data)
        wanted = data["labels"][:, 1:]
        right = (out.logits[:, :-1].argmax(-1) == wanted) | (wanted == -100)
        losses.append(float(out.loss))
        exact.append(bool(right.all()))
    model.train()
    return float(np.mean(losses or [np.nan])), float(np.mean(exact or [np.nan]))


def train(
    minutes: float,
    steps: int,
    batch: int,
    lr: float,
    text_only: bool,
    folder: Path = FOLDER,
    seed: int = 0,
    start_from: Path | None = None,
) -> None:
    """Trains for that long, or to `steps`, from the checkpoint when there is one; then writes the weights.

    Without a checkpoint it begins anew, or with the finished weights in `start_from`.
    """
    if start_from is not None:
        model, tokenizer = shipped(start_from)
    else:
        tokenizer = tokenizer_for(folder)
        model = prepare(tokenizer, seed)
    optimiser = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=lr, betas=(0.9, 0.98), weight_decay=0.05
    )
    step = _resume(model, optimiser)
    encoder = Encoder(tokenizer, text_only)
    source = Batches(folder, tokenizer, batch, seed + step, text_only)
    loader = iter(DataLoader(source, batch_size=None, num_workers=1, prefetch_factor=8))
    start, smooth = time.time(), 0.0
    model.train()
    while step < steps and time.time() - start < minutes * 60:
        over = 0.0 if text_only else max(step / steps, (time.time() - start) / (minutes * 60))
        rate = lr * min(1.0, (step + 1) / 100) * max(0.02, 1 - over)
        for group in optimiser.param_groups:
            group["lr"] = rate
        data = next(loader)
        with autocast():
            loss = model(**data).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        smooth = loss.item() if not smooth else 0.97 * smooth + 0.03 * loss.item()
        if step % 20 == 0:
            print(f"step {step}/{steps} loss {smooth:.4f} {time.time() - start:.0f} s", flush=True)
        if step % 100 == 0:
            _save(model, optimiser, step)
        if step % 300 == 0:
            held_out, exact = validate(model, encoder, folder)
            print(f"held out: loss {held_out:.4f}, exact {exact:.3f}", flush=True)
    _save(model, optimiser, step)
    if not text_only:
        save(model, tokenizer, WEIGHTS)


def _save(model: torch.nn.Module, optimiser: torch.optim.Optimizer, step: int) -> None:
    part = RUN / "model.part"
    torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step}, part)
    part.replace(RUN / "model.pt")


def _resume(model: torch.nn.Module, optimiser: torch.optim.Optimizer) -> int:
    if not (RUN / "model.pt").exists():
        return 0
    state = torch.load(RUN / "model.pt", weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=50)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=8e-4)
    parser.add_argument("--data", type=Path, default=FOLDER)
    parser.add_argument("--start-from", type=Path, help="a finished folder to train further")
    parser.add_argument("--text-only", action="store_true")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(
        options.minutes,
        options.steps,
        options.batch,
        options.lr,
        options.text_only,
        options.data,
        start_from=options.start_from,
    )
