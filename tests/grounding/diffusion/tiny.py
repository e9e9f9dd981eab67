"""Tiny random-weight models of the real classes, saved to disk as the real ones are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

WORDS = [
    "left",
    "right",
    "upper",
    "lower",
    "lung",
    "opacity",
    "pleural",
    "effusion",
    "nodule",
    "heart",
    "nothing",
    "found",
    "body",
    "the",
    "in",
    "of",
]


def save_pipeline(folder: Path, seed: int = 0, **unet: Any) -> Path:
    """A Stable-Diffusion-shaped folder: UNet with attention at 8², 4² and 2² (or as told), AutoencoderKL,
    CLIP.
    """
    from diffusers import DDIMScheduler, UNet2DConditionModel

    torch.manual_seed(seed)
    config: dict[str, Any] = {
        "sample_size": 8, "in_channels": 4, "out_channels": 4, "block_out_channels": (8, 16, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1, "cross_attention_dim": 24, "attention_head_dim": 2, "norm_num_groups": 4,
    }  # fmt: skip
    UNet2DConditionModel(**{**config, **unet}).save_pretrained(folder / "unet")
    save_vae(folder / "vae")
    DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=False, steps_offset=1,
    ).save_pretrained(folder / "scheduler")  # fmt: skip
    save_clip(folder, width=(unet.get("cross_attention_dim") or 24))
    return folder


def save_vae(folder: Path, in_channels: int = 3) -> None:
    from diffusers import AutoencoderKL

    AutoencoderKL(
        in_channels=in_channels, out_channels=in_channels, block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4, norm_num_groups=4, layers_per_block=1, scaling_factor=0.5,
    ).save_pretrained(folder)  # fmt: skip


def save_clip(folder: Path, width: int = 24, length: int = 20) -> None:
    """text_encoder/ and tokenizer/: whole words of WORDS, other words by letters."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = [chr(c) for c in range(97, 123)] + list("0123456789.,-")
    vocab = {t: i for i, t in enumerate([*letters, *(c + "</w>" for c in letters)])}
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            parts[:2] = ["".join(pair)]
            if pair not in merges:
                merges.append(pair)
            vocab.setdefault(parts[0], len(vocab))
    for token in ("<|startoftext|>", "<|endoftext|>"):
        vocab[token] = len(vocab)
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=length)
    tokenizer.save_pretrained(folder / "tokenizer")
    config = CLIPTextConfig(
        vocab_size=len(vocab), hidden_size=width, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=length, bos_token_id=vocab["<|startoftext|>"],
        eos_token_id=vocab["<|endoftext|>"], pad_token_id=vocab["<|endoftext|>"],
    )  # fmt: skip
    CLIPTextModel(config).save_pretrained(folder / "text_encoder")


def describe(folder: Path, **told: Any) -> Path:
    """Writes foveate.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "foveate.json").write_text(json.dumps(told))
    return folder
