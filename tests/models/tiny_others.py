"""Tiny random checkpoints of the families beside Qwen-VL; each under a million parameters."""

from pathlib import Path
from typing import Any

import torch
import transformers as hf

from .tiny import PLAIN_TEMPLATE, byte_tokenizer

LAYERS = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 32, "intermediate_size": 48}


def _save(folder: Path, model_class: Any, config: Any, processor: Any) -> Path:
    torch.manual_seed(0)
    model = model_class(config)
    assert sum(p.numel() for p in model.parameters()) < 1_000_000
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_llava(folder: Path) -> Path:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = byte_tokenizer(["<image>"], eos_token="</s>", pad_token="<pad>")
    image = tokenizer.convert_tokens_to_ids("<image>")
    text = hf.LlamaConfig(vocab_size=len(tokenizer), **LAYERS, max_position_embeddings=2048)
    vision = hf.CLIPVisionConfig(**LAYERS | {"num_hidden_layers": 2}, image_size=56, patch_size=14)
    config = hf.LlavaConfig(
        text_config=text, vision_config=vision, image_token_id=image, image_token_index=image
    )
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size=56)
    processor = hf.LlavaProcessor(
        pictures,
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=PLAIN_TEMPLATE,
    )
    return _save(folder, hf.LlavaForConditionalGeneration, config, processor)


def save_idefics3(folder: Path) -> Path:
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    special = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
    tokenizer = byte_tokenizer(special, eos_token="</s>", pad_token="<pad>")
    text = hf.LlamaConfig(vocab_size=len(tokenizer), **LAYERS, pad_token_id=tokenizer.pad_token_id)
    vision = {**LAYERS, "image_size": 56, "patch_size": 14}
    config = hf.Idefics3Config(
        text_config=text,
        vision_config=vision,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    pictures = Idefics3ImageProcessorPil(size={"longest_edge": 112}, max_image_size={"longest_edge": 56})
    processor = hf.Idefics3Processor(pictures, tokenizer, image_seq_len=4, chat_template=PLAIN_TEMPLATE)
    return _save(folder, hf.Idefics3ForConditionalGeneration, config, processor)


def save_paligemma(folder: Path) -> Path:
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    locations = [f"<loc{i:04d}>" for i in range(1024)]
    tokenizer = byte_tokenizer(
        {"image_token": "<image>"}, eos_token="<eos>", pad_token="<pad>", bos_token="<bos>"
    )
    tokenizer.add_tokens(locations)
    text = hf.GemmaConfig(
        vocab_size=len(tokenizer),
        **LAYERS,
        num_key_value_heads=1,
        head_dim=16,
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = hf.SiglipVisionConfig(**LAYERS, image_size=56, patch_size=14, projection_dim=32)
    image = tokenizer.convert_tokens_to_ids("<image>")
    config = hf.PaliGemmaConfig(
        text_config=text, vision_config=vision, image_token_index=image, projection_dim=32
    )
    pictures = SiglipImageProcessorPil(size={"height": 56, "width": 56})
    pictures.image_seq_length = 16
    return _save(
        folder, hf.PaliGemmaForConditionalGeneration, config, hf.PaliGemmaProcessor(pictures, tokenizer)
    )


def save_gemma3(folder: Path) -> Path:
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    named = {
        "image_token": "<image_soft_token>",
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
    }
    tokenizer = byte_tokenizer(named, eos_token="<eos>", pad_token="<pad>", bos_token="<bos>")
    text = hf.Gemma3TextConfig(
        vocab_size=len(tokenizer), **LAYERS, num_key_value_heads=1, head_dim=16, max_position_embeddings=2048
    )
    vision = hf.SiglipVisionConfig(**LAYERS, image_size=56, patch_size=14)
    ids = tokenizer.convert_tokens_to_ids
    config = hf.Gemma3Config(
        text_config=text,
        vision_config=vision,
        mm_tokens_per_image=4,
        image_token_index=ids("<image_soft_token>"),
        boi_token_index=ids("<start_of_image>"),
        eoi_token_index=ids("<end_of_image>"),
    )
    pictures = Gemma3ImageProcessorPil(size={"height": 56, "width": 56})
    template = PLAIN_TEMPLATE.replace("<image>", "<start_of_image>")
    processor = hf.Gemma3Processor(pictures, tokenizer, image_seq_length=4, chat_template=template)
    return _save(folder, hf.Gemma3ForConditionalGeneration, config, processor)


def save_florence2(folder: Path) -> Path:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = byte_tokenizer(
        {"image_token": "<image>"}, eos_token="</s>", pad_token="<pad>", bos_token="<s>"
    )
    tokenizer.add_tokens([f"<loc_{i}>" for i in range(1000)])
    ids = {f"{k}_token_id": getattr(tokenizer, f"{k}_token_id") for k in ("eos", "pad", "bos")}
    text = hf.BartConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        max_position_embeddings=512,
        decoder_start_token_id=tokenizer.eos_token_id,
        forced_eos_token_id=None,
        **ids,
    )
    vision = {
        "depths": (1, 1, 1, 1),
        "embed_dim": (8, 16, 16, 32),
        "num_heads": (1, 1, 1, 1),
        "num_groups": (1, 1, 1, 1),
        "window_size": 4,
        "projection_dim": 32,
    }
    config = hf.Florence2Config(
        text_config=text, vision_config=vision, image_token_id=tokenizer.image_token_id
    )
    pictures = CLIPImageProcessorPil(size={"height": 128, "width": 128}, do_center_crop=False)
    pictures.image_seq_length = 17
    processor = hf.Florence2Processor(pictures, tokenizer)
    return _save(folder, hf.Florence2ForConditionalGeneration, config, processor)


SAVERS = {
    "llava": (save_llava, "generic"),
    "idefics3": (save_idefics3, "generic"),
    "paligemma": (save_paligemma, "paligemma"),
    "gemma3": (save_gemma3, "gemma"),
    "florence2": (save_florence2, "florence-2"),
}
