"""Tiny random models of the real transformers classes, saved as checkpoints: every family without a hub."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

QWEN_SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
HERMES_TEMPLATE = (
    "{% if tools %}<|im_start|>system\n<tools>{% for t in tools %}{{ t['function']['name'] }} {% endfor %}"
    "</tools><|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for b in m['content'] %}"
    "{% if b['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ b['text'] }}"
    "{% endif %}"
    "{% endfor %}{% endif %}"
    "{% for c in m['tool_calls'] or [] %}"
    "\n<tool_call>\n{{ c['function'] | tojson }}\n</tool_call>{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PLAIN_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {% for b in m['content'] %}"
    "{% if b['type'] == 'image' %}<image>{% else %}{{ b['text'] }}{% endif %}{% endfor %}\n{% endfor %}"
    "assistant:"
)


def byte_tokenizer(special: list[str] | dict[str, str], **named: str) -> PreTrainedTokenizerFast:
    """One token per byte, plus the special ones; a dict names them, as image_token and the like."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, extra_special_tokens=special, **named)


def qwen_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = byte_tokenizer(QWEN_SPECIAL, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.add_tokens(["<tool_call>", "</tool_call>"])
    tokenizer.chat_template = HERMES_TEMPLATE
    return tokenizer


def save_qwen(folder: Path, model_type: str = "qwen2_5_vl", **text: Any) -> Path:
    """A Qwen-VL checkpoint of about 0.2 M parameters without torchvision's help."""
    tokenizer = qwen_tokenizer()
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in QWEN_SPECIAL}
    text_config = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]},
        "bos_token_id": None,
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
    } | text
    config, model_class, pictures = _qwen_parts(model_type, text_config, ids)
    torch.manual_seed(0)
    model = model_class(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    pictures.save_pretrained(folder)
    return folder


def _qwen_parts(model_type: str, text: dict[str, Any], ids: dict[str, int]) -> tuple[Any, Any, Any]:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    tokens = {
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "tie_word_embeddings": True,
    }
    size = text["hidden_size"]
    if model_type == "qwen2_vl":
        text = {k: v for k, v in text.items() if k != "head_dim"}
        vision: dict[str, Any] = {
            "depth": 2,
            "embed_dim": 32,
            "num_heads": 2,
            "hidden_size": size,
            "mlp_ratio": 2,
        }
        return (
            hf.Qwen2VLConfig(text_config=text, vision_config=vision, **tokens),
            hf.Qwen2VLForConditionalGeneration,
            Qwen2VLImageProcessorPil(),
        )
    if model_type == "qwen2_5_vl":
        text = {k: v for k, v in text.items() if k != "head_dim"}
        vision = {
            "depth": 2,
            "hidden_size": 32,
            "num_heads": 2,
            "intermediate_size": 48,
            "out_hidden_size": size,
            "fullatt_block_indexes": [1],
        }
        return (
            hf.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **tokens),
            hf.Qwen2_5_VLForConditionalGeneration,
            Qwen2VLImageProcessorPil(),
        )
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "num_heads": 2,
        "intermediate_size": 48,
        "out_hidden_size": size,
        "patch_size": 16,
        "deepstack_visual_indexes": [0],
        "num_position_embeddings": 64,
    }
    return (
        hf.Qwen3VLConfig(text_config=text, vision_config=vision, **tokens),
        hf.Qwen3VLForConditionalGeneration,
        Qwen2VLImageProcessorPil(patch_size=16, size={"shortest_edge": 65536, "longest_edge": 16777216}),
    )


Saver = Callable[[Path], Path]
