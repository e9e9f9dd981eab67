"""Builds, saves and loads pocket-vlm: transformers' own Qwen2.5-VL classes at about 10 M parameters.

Knows the architecture and the files on disk; nothing of questions, data or training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

PATCH, MERGE = 14, 2
MAX_PIXELS = 224 * 224
MIN_PIXELS = 56 * 56
VISION_WIDTH, TEXT_WIDTH = 192, 320


def autocast() -> torch.autocast:
    """bfloat16 where the processor multiplies it natively (elsewhere 10-20 times slower than float32)."""
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast("cpu", torch.bfloat16, enabled=native)


def vision_config(depth: int = 5) -> dict[str, Any]:
    """Every block attends over the whole view: of at most 16 x 16 patches, windows would save nothing."""
    return {
        "depth": depth, "hidden_size": VISION_WIDTH, "intermediate_size": 576, "num_heads": 6,
        "in_channels": 3, "patch_size": PATCH, "spatial_merge_size": MERGE, "temporal_patch_size": 2,
        "window_size": 448, "out_hidden_size": TEXT_WIDTH, "fullatt_block_indexes": list(range(depth)),
    }  # fmt: skip


def _text_config(tokenizer: Qwen2Tokenizer, layers: int) -> dict[str, Any]:
    """Head size 32: the smallest that vLLM's CPU kernels take."""
    return {
        "vocab_size": len(tokenizer), "hidden_size": TEXT_WIDTH, "intermediate_size": 864,
        "num_hidden_layers": layers, "num_attention_heads": 10, "num_key_value_heads": 5,
        "max_position_embeddings": 4096, "tie_word_embeddings": True, **_ends(tokenizer),
        "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0, "mrope_section": [4, 6, 6]},
    }  # fmt: skip


def _ends(tokenizer: Qwen2Tokenizer) -> dict[str, int | None]:
    ids = tokenizer.get_vocab()
    return {"bos_token_id": None, "eos_token_id": ids["<|im_end|>"], "pad_token_id": ids["<|endoftext|>"]}


def build(tokenizer: Qwen2Tokenizer, layers: int = 6) -> Qwen2_5_VLForConditionalGeneration:
    """A randomly initialised pocket-vlm for `tokenizer`."""
    ids, ends = tokenizer.get_vocab(), _ends(tokenizer)
    config = Qwen2_5_VLConfig(
        text_config=_text_config(tokenizer, layers), vision_config=vision_config(), tie_word_embeddings=True,
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
        **ends,  # type: ignore[arg-type]
    )  # fmt: skip
    config.foveate_profile = "pocket"  # how the agent talks to it, wherever the folder lies
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = ends["eos_token_id"]
    model.generation_config.pad_token_id = ends["pad_token_id"]
    return model


def image_processor() -> Qwen2VLImageProcessorPil:
    """The stock Qwen2-VL processor (Pillow back end), limited to 224 x 224 pixels a view."""
    return Qwen2VLImageProcessorPil(
        size={"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS},
        min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS,
        patch_size=PATCH, merge_size=MERGE, temporal_patch_size=2,
    )  # fmt: skip


def save(model: Qwen2_5_VLForConditionalGeneration, tokenizer: Qwen2Tokenizer, folder: Path) -> None:
    """Writes a folder that AutoModelForImageTextToText and vLLM load; weights in float16 (half the bytes)."""
    folder.mkdir(parents=True, exist_ok=True)
    config: Any = model.config
    for part in (config.text_config, config.vision_config):
        part.dtype = None  # loaded weights leave theirs here, and it would contradict the file's float16
    copy: Any = Qwen2_5_VLForConditionalGeneration(model.config)  # transformers types its own `to` wrongly
    copy.load_state_dict(model.state_dict())
    copy.generation_config = model.generation_config
    copy.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    image_processor().save_pretrained(folder)
