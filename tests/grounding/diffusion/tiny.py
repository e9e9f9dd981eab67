"""Tiny random-weight models of the real classes, saved to disk as the real ones are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

# each is a token of its own; other words are spelled
WORDS = ["left", "right", "upper", "lower", "lung", "opacity", "effusion", "nodule", "heart", "nothing"]
WORDS += ["found", "body", "the", "in", "of"]
WIDTH, LENGTH = 24, 20


def save_pipeline(folder: Path, seed: int = 0, vae_channels: int = 3, **unet: Any) -> Path:
    """A Stable-Diffusion-shaped folder: latents 8², attention at 8², 4² and 2², AutoencoderKL, CLIP."""
    from diffusers import DDIMScheduler, UNet2DConditionModel

    torch.manual_seed(seed)
    config: dict[str, Any] = {
        "sample_size": 8, "in_channels": 4, "out_channels": 4, "block_out_channels": (8, 16, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1, "cross_attention_dim": WIDTH, "attention_head_dim": 2, "norm_num_groups": 4,
    }  # fmt: skip
    model = UNet2DConditionModel(**{**config, **unet})
    _sharpen(model)
    model.save_pretrained(folder / "unet")
    save_vae(folder / "vae", vae_channels)
    DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=False, steps_offset=1,
    ).save_pretrained(folder / "scheduler")  # fmt: skip
    save_clip(folder)
    return folder


def _sharpen(model: torch.nn.Module) -> None:
    """Larger queries and keys: with fresh weights all attention is flat, and a test would see nothing."""
    for name, weight in model.named_parameters():
        if name.endswith(("to_q.weight", "to_k.weight")):
            weight.data *= 6


def save_vae(folder: Path, in_channels: int = 3) -> None:
    from diffusers import AutoencoderKL

    AutoencoderKL(
        in_channels=in_channels, out_channels=in_channels, block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4, norm_num_groups=4, layers_per_block=1, scaling_factor=0.5,
    ).save_pretrained(folder)  # fmt: skip


def save_clip(folder: Path, width: int = WIDTH, length: int = LENGTH) -> None:
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
            merges += [] if pair in merges else [pair]
            vocab.setdefault(parts[0], len(vocab))
    for token in ("<|startoftext|>", "<|endoftext|>"):
        vocab[token] = len(vocab)
    CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=length).save_pretrained(folder / "tokenizer")
    config = CLIPTextConfig(
        vocab_size=len(vocab), hidden_size=width, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=length, bos_token_id=vocab["<|startoftext|>"],
        eos_token_id=vocab["<|endoftext|>"], pad_token_id=vocab["<|endoftext|>"],
    )  # fmt: skip
    CLIPTextModel(config).save_pretrained(folder / "text_encoder")


def save_cxr_bert(folder: Path, width: int = WIDTH) -> Path:
    """As microsoft/BiomedVLP-CXR-BERT-specialized: one folder, a model type of its own, a "bert." prefix."""
    from transformers import BertConfig, BertForMaskedLM, BertTokenizer

    folder.mkdir(parents=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "ple", "##ural"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    BertTokenizer(vocab={w: i for i, w in enumerate(words)}, do_lower_case=True).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words), hidden_size=width, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(folder)
    told = json.loads((folder / "config.json").read_text())
    told["model_type"], told["architectures"] = "cxr-bert", ["CXRBertModel"]
    (folder / "config.json").write_text(json.dumps(told))
    return folder


def save_bundle(folder: Path, old: bool = True, seed: int = 0) -> Path:
    """A MONAI bundle with the layout of 2404.12920's model: 3 levels, 11 cross-attention layers, one head,
    latents 8². With `old`, definition and weights are those of MONAI GenerativeModels.
    """
    from monai.networks import nets

    torch.manual_seed(seed)
    vae: dict[str, Any] = {
        "spatial_dims": 2, "in_channels": 1, "out_channels": 1, "latent_channels": 3,
        "channels": [8, 8, 8, 8], "num_res_blocks": 1, "norm_num_groups": 4, "attention_levels": [False] * 4,
    }  # fmt: skip
    unet: dict[str, Any] = {
        "spatial_dims": 2, "in_channels": 3, "out_channels": 3, "channels": [8, 16, 24], "num_res_blocks": 2,
        "attention_levels": [False, True, True], "norm_num_groups": 4, "num_head_channels": [0, 16, 24],
        "with_conditioning": True, "transformer_num_layers": 1, "cross_attention_dim": WIDTH,
    }  # fmt: skip
    models = {"autoencoder": nets.AutoencoderKL(**vae), "diffusion_model": nets.DiffusionModelUNet(**unet)}
    (folder / "models").mkdir(parents=True)
    (folder / "configs").mkdir()
    for name, model in models.items():
        for weight in model.parameters():  # the last layer starts at 0
            weight.data += 0.05 * torch.randn_like(weight)
        _sharpen(model)
        state = {_old_name(k) if old else k: v for k, v in model.state_dict().items()}
        torch.save(state, folder / "models" / f"{name}.{'pth' if old else 'pt'}")
    package = "generative" if old else "monai"
    for told in (vae, unet):
        if old:
            told["num_channels"] = told.pop("channels")
    config = {
        "autoencoder_def": {"_target_": f"{package}.networks.nets.AutoencoderKL", **vae},
        "diffusion_def": {"_target_": f"{package}.networks.nets.DiffusionModelUNet", **unet},
        "scheduler": {
            "_target_": f"{package}.networks.schedulers.DDIMScheduler", "_requires_": ["@load_diffusion"],
            "beta_start": 0.0015, "beta_end": 0.0205, "num_train_timesteps": 1000,
            "beta_schedule": "scaled_linear", "prediction_type": "v_prediction", "clip_sample": False,
        },
    }  # fmt: skip
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    save_clip(folder)
    return describe(folder, latent_side=8)


def _old_name(key: str) -> str:
    """The key of the same weight in MONAI GenerativeModels."""
    if "transformer_blocks" in key:
        return key.replace(".out_proj.", ".to_out.0.")
    for new, old in ((".attn.to_", ".to_"), (".attn.out_proj", ".proj_attn"), ("postconv", "conv")):
        key = key.replace(new, old)
    return key


def describe(folder: Path, **told: Any) -> Path:
    """Writes foveate.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "foveate.json").write_text(json.dumps(told))
    return folder


def picture(height: int = 70, width: int = 90, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Smooth random grey in [0, 1]."""
    from scipy import ndimage

    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((height, width)), 6)
    return ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)
