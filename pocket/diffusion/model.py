"""Builds, saves and loads pocket-diffusion: the classes and the folder of a diffusers
`StableDiffusionPipeline`.

64 x 64 pictures (three equal channels), an autoencoder to 16 x 16 x 4 latents, a UNet with cross-attention
at 8², 4² and, on the way up, 16², a small CLIP text encoder with its own tokenizer, v-prediction on the noise
schedule of arXiv 2404.12920's model. Knows the architecture and the files on disk; nothing of data, captions
or training.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer, models, trainers
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 32
LATENT = 16
WORD_SPREAD = 0.5
# diffusers' classes get their methods from bases that a type checker does not see
Vae = Any
Unet = Any
Scheduler = Any
Pipeline = Any
_library: Any = diffusers


@dataclass(frozen=True)
class Size:
    """The widths of the networks; `latent` is the latents' side."""

    unet: tuple[int, ...] = (32, 64, 160)
    heads: tuple[int, ...] = (1, 2, 4)
    vae: tuple[int, ...] = (16, 32, 64)
    text: int = 128
    text_layers: int = 3
    latent: int = LATENT


TINY = Size(unet=(8, 8, 16), heads=(1, 1, 2), vae=(8, 8, 8), text=16, text_layers=1, latent=8)


def autocast(device: str) -> torch.autocast:
    """bfloat16 on a GPU and where the processor multiplies it natively (elsewhere it is slower than
    float32).
    """
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast(device, torch.bfloat16, enabled=device != "cpu" or native)


def train_tokenizer(texts: Iterable[str], vocabulary: int = 1500) -> CLIPTokenizer:
    """CLIP's byte-level BPE on these texts; every byte stays writable, so no text is unknown."""
    blank = CLIPTokenizer(model_max_length=LENGTH)
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer = blank.backend_tokenizer.normalizer
    learner.pre_tokenizer = blank.backend_tokenizer.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - 256, special_tokens=[START, END], end_of_word_suffix="</w>", min_frequency=2,
        initial_alphabet=_bytes(), show_progress=False,
    )  # fmt: skip
    learner.train_from_iterator(texts, trainer)
    told = json.loads(learner.to_str())["model"]
    vocab: dict[str, int] = dict(told["vocab"])
    for byte in _bytes():
        vocab.setdefault(byte, len(vocab))
        vocab.setdefault(f"{byte}</w>", len(vocab))
    merges: Any = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in told["merges"]]
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=LENGTH)


def _bytes() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def text_encoder(tokenizer: CLIPTokenizer, size: Size) -> CLIPTextModel:
    """Words start far apart: from CLIP's own small start, all texts end up as the same states before the UNet
    has learned to listen, and it never does.
    """
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=size.text, intermediate_size=3 * size.text,
        num_hidden_layers=size.text_layers, num_attention_heads=4, max_position_embeddings=LENGTH,
        projection_dim=size.text, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    made = CLIPTextModel(config)
    words: Any = made.get_input_embeddings()
    torch.nn.init.normal_(words.weight, std=WORD_SPREAD)
    return made


def autoencoder(size: Size) -> Vae:
    levels = len(size.vae)
    return _library.AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=size.vae, layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
        norm_num_groups=8, mid_block_add_attention=False, sample_size=size.latent * 4,
    )  # fmt: skip


def unet(size: Size) -> Unet:
    """Attention everywhere but in the first down block: it is dear there, and the way up is where meaning
    is.
    """
    return _library.UNet2DConditionModel(
        sample_size=size.latent, in_channels=4, out_channels=4, block_out_channels=size.unet,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D",) * 3, cross_attention_dim=size.text,
        attention_head_dim=size.heads, norm_num_groups=8 if size is TINY else 16,
    )  # fmt: skip


def scheduler() -> Scheduler:
    return _library.DDIMScheduler(
        num_train_timesteps=1000, beta_start=0.0015, beta_end=0.0205, beta_schedule="scaled_linear",
        prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False, steps_offset=1,
        timestep_spacing="trailing",
    )  # fmt: skip


def to_input(grey: npt.NDArray[np.uint8]) -> Tensor:
    """Grey values uint8 (n, h, w) → float32 (n, 3, h, w) in [-1, 1]."""
    scaled = torch.from_numpy(grey).float() / 127.5 - 1
    return scaled[:, None].expand(-1, 3, -1, -1)


def token_ids(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """int64 (n, LENGTH), padded with the end token as Stable Diffusion does."""
    told = tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
    ids: Tensor = told["input_ids"]
    return ids


def pipeline(vae: Vae, text: CLIPTextModel, tokenizer: CLIPTokenizer, network: Unet) -> Pipeline:
    """The parts as a pipeline, without a safety checker."""
    return _library.StableDiffusionPipeline(
        vae=vae, text_encoder=text, tokenizer=tokenizer, unet=network, scheduler=scheduler(),
        safety_checker=None, feature_extractor=None, image_encoder=None, requires_safety_checker=False,
    )  # fmt: skip


def save(made: Pipeline, folder: Path) -> None:
    """Writes the folder with float16 safetensors (half the bytes); the parts themselves stay as they are."""
    parts: dict[str, Any] = {"vae": made.vae, "text_encoder": made.text_encoder, "unet": made.unet}
    halves = {name: copy.deepcopy(part).to("cpu", torch.float16) for name, part in parts.items()}
    pipeline(halves["vae"], halves["text_encoder"], made.tokenizer, halves["unet"]).save_pretrained(
        folder, safe_serialization=True
    )


def load(folder: Path, device: str = "cpu") -> Pipeline:
    """The pipeline of a finished folder in float32, silent."""
    made = _library.StableDiffusionPipeline.from_pretrained(
        folder, torch_dtype=torch.float32, local_files_only=True
    )
    made.set_progress_bar_config(disable=True)
    return made.to(device)
