"""A small dense image-text model: a U-Net gives every pixel a unit vector, a text encoder gives the
phrase one.

The similarity-map kind of grounder (RadZero, arXiv 2504.07416; ConceptCLIP, arXiv 2501.15579; BioViL,
ECCV 2022), with SigLIP's sigmoid(scale * cosine + bias), so that a value means the same on every image
and for every phrase. Knows nothing of views, regions, anatomy or files other than its own weights.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 32
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class DenseConfig:
    """Sizes. `buckets` and `grams` are the tokenizer: words are bags of hashed character n-grams."""

    in_channels: int = 5
    channels: tuple[int, ...] = (24, 48, 96, 160, 256)
    embed: int = 64
    text_width: int = 96
    text_layers: int = 2
    buckets: int = 4096
    grams: tuple[int, int] = (3, 5)
    max_words: int = 16


def word_buckets(word: str, config: DenseConfig) -> list[int]:
    """Hashed character n-grams of one word, with marked ends, and the word itself. CRC-32: the same
    everywhere.
    """
    marked = f"<{word}>"
    low, high = config.grams
    grams = [marked[i : i + n] for n in range(low, high + 1) for i in range(len(marked) - n + 1)]
    return [1 + zlib.crc32(g.encode()) % (config.buckets - 1) for g in dict.fromkeys([*grams, marked])]


def tokenize(phrases: Sequence[str], config: DenseConfig) -> tuple[Tensor, Tensor]:
    """Phrases → bucket ids (phrase, word, gram), 0 where padded, and a (phrase, word) mask of real words."""
    split = [_WORD.findall(p.lower())[: config.max_words] or [""] for p in phrases]
    bags = [[word_buckets(w, config) for w in words] for words in split]
    words, grams = max(map(len, bags)), max(len(b) for bag in bags for b in bag)
    ids = torch.zeros(len(bags), words, grams, dtype=torch.long)
    mask = torch.zeros(len(bags), words, dtype=torch.bool)
    for i, bag in enumerate(bags):
        for j, buckets in enumerate(bag):
            ids[i, j, : len(buckets)] = torch.tensor(buckets)
            mask[i, j] = True
    return ids, mask


class TextEncoder(nn.Module):
    """Phrase → unit vector of `embed` numbers."""

    def __init__(self, config: DenseConfig) -> None:
        super().__init__()
        width = config.text_width
        self.grams = nn.Embedding(config.buckets, width, padding_idx=0)
        self.places = nn.Parameter(torch.randn(config.max_words, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, config.text_layers, enable_nested_tensor=False)
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.embed))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        count = (ids > 0).sum(-1, keepdim=True).clamp(min=1)
        words = self.grams(ids).sum(2) / count.sqrt() + self.places[: ids.shape[1]]
        seen = self.layers(words, src_key_padding_mask=~mask)
        weight = mask.unsqueeze(-1).to(seen.dtype)
        pooled = (seen * weight).sum(1) / weight.sum(1)
        return F.normalize(self.out(pooled), dim=-1)


def _block(inner: int, outer: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inner, outer, 3, padding=1), nn.GroupNorm(8, outer), nn.SiLU(),
        nn.Conv2d(outer, outer, 3, padding=1), nn.GroupNorm(8, outer), nn.SiLU(),
    )  # fmt: skip


class ImageEncoder(nn.Module):
    """U-Net: (B, in_channels, H, W), H and W multiples of 32 → (B, embed, H/2, W/2), not normalised."""

    def __init__(self, config: DenseConfig) -> None:
        super().__init__()
        c = config.channels
        self.stem = nn.Conv2d(config.in_channels, c[0], 5, stride=2, padding=2)
        self.down = nn.ModuleList(_block(c[max(i - 1, 0)], c[i]) for i in range(len(c)))
        self.up = nn.ModuleList(_block(c[i] + c[i + 1], c[i]) for i in range(len(c) - 1))
        self.out = nn.Conv2d(c[0], config.embed, 1)

    def forward(self, image: Tensor) -> Tensor:
        x, skips = self.stem(image), []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](torch.cat([F.interpolate(x, scale_factor=2.0), skips[i]], 1))
        out: Tensor = self.out(x)
        return out


class DenseLocator(nn.Module):
    """Image and phrases → similarity logits on one scale for all images and phrases."""

    def __init__(self, config: DenseConfig | None = None) -> None:
        super().__init__()
        self.config = config or DenseConfig()
        self.image = ImageEncoder(self.config)
        self.text = TextEncoder(self.config)
        self.log_scale = nn.Parameter(torch.tensor(2.5))
        self.bias = nn.Parameter(torch.tensor(-4.0))

    def encode_text(self, phrases: Sequence[str]) -> Tensor:
        """(phrases, embed) unit vectors."""
        ids, mask = tokenize(phrases, self.config)
        device = self.bias.device
        encoded: Tensor = self.text(ids.to(device), mask.to(device))
        return encoded

    def encode_image(self, image: Tensor) -> Tensor:
        """(B, embed, H/2, W/2) unit vectors."""
        return F.normalize(self.image(image).float(), dim=1)

    def logits(self, pixels: Tensor, text: Tensor) -> Tensor:
        """Unit vectors of pixels and phrases → (B, phrases, H/2, W/2) logits."""
        cosine = torch.einsum("bdhw,pd->bphw", pixels, text)
        return self.log_scale.exp() * cosine + self.bias


def save_locator(model: DenseLocator, folder: Path, extra: dict[str, Any]) -> None:
    """Writes model.safetensors (fp16) and config.json, each by rename so that a reader never sees half a
    file.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    half = {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in model.state_dict().items()}
    save_file(half, folder / "model.safetensors.part", metadata={"format": "pt"})
    (folder / "config.json.part").write_text(json.dumps({"model": asdict(model.config), **extra}, indent=1))
    (folder / "model.safetensors.part").chmod(0o644)  # safetensors writes for the owner only
    for name in ("model.safetensors", "config.json"):
        (folder / f"{name}.part").replace(folder / name)


def load_locator(folder: Path) -> tuple[DenseLocator, dict[str, Any]]:
    """The model in evaluation mode and the whole config.json. Raises FileNotFoundError."""
    from safetensors.torch import load_file

    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    sizes: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in config["model"].items()}
    model = DenseLocator(DenseConfig(**sizes))
    model.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
    return model.eval(), config
