"""A tiny SAM-Med2D checkpoint in its authors' layout: the names and shapes that their own code gives."""

from __future__ import annotations

from pathlib import Path

import torch

WIDTH, DEEP, HEADS, SIDE = 16, 16, 2, 256


def linear(name: str, out: int, inner: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, inner), f"{name}.bias": (out,)}


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def block(index: int, adapter: bool) -> dict[str, tuple[int, ...]]:
    """The second of two blocks looks at the whole picture, the first at windows of 14."""
    at, places = f"image_encoder.blocks.{index}", 2 * (SIDE // 16 if index == 1 else 14) - 1
    told = norm(f"{at}.norm1", WIDTH) | norm(f"{at}.norm2", WIDTH)
    told |= {f"{at}.attn.rel_pos_{axis}": (places, WIDTH // HEADS) for axis in "hw"}
    told |= linear(f"{at}.attn.qkv", 3 * WIDTH, WIDTH) | linear(f"{at}.attn.proj", WIDTH, WIDTH)
    told |= linear(f"{at}.mlp.lin1", 4 * WIDTH, WIDTH) | linear(f"{at}.mlp.lin2", WIDTH, 4 * WIDTH)
    if adapter:
        told |= norm(f"{at}.Adapter.norm", WIDTH)
        told |= {f"{at}.Adapter.channel.0.weight": (4, WIDTH), f"{at}.Adapter.channel.2.weight": (WIDTH, 4)}
        told |= {f"{at}.Adapter.spatial.0.weight": (WIDTH, WIDTH, 3, 3)}
        told |= {f"{at}.Adapter.spatial.2.weight": (WIDTH, WIDTH, 4, 4)}
    return told


def encoder(adapter: bool) -> dict[str, tuple[int, ...]]:
    at = "image_encoder"
    told: dict[str, tuple[int, ...]] = {f"{at}.pos_embed": (1, SIDE // 16, SIDE // 16, WIDTH)}
    told |= {f"{at}.patch_embed.proj.weight": (WIDTH, 3, 16, 16), f"{at}.patch_embed.proj.bias": (WIDTH,)}
    told |= block(0, adapter) | block(1, adapter)
    told |= {f"{at}.neck.0.weight": (DEEP, WIDTH, 1, 1), f"{at}.neck.2.weight": (DEEP, DEEP, 3, 3)}
    return told | norm(f"{at}.neck.1", DEEP) | norm(f"{at}.neck.3", DEEP)


def prompts() -> dict[str, tuple[int, ...]]:
    at = "prompt_encoder"
    told: dict[str, tuple[int, ...]] = {f"{at}.pe_layer.positional_encoding_gaussian_matrix": (2, DEEP // 2)}
    told |= {f"{at}.point_embeddings.{i}.weight": (1, DEEP) for i in range(4)}
    told |= {f"{at}.not_a_point_embed.weight": (1, DEEP), f"{at}.no_mask_embed.weight": (1, DEEP)}
    for index, shape in ((0, (1, 1, 2, 2)), (3, (4, 1, 2, 2)), (6, (DEEP, 4, 1, 1))):
        told |= {
            f"{at}.mask_downscaling.{index}.weight": shape,
            f"{at}.mask_downscaling.{index}.bias": shape[:1],
        }
    return told | norm(f"{at}.mask_downscaling.1", 1) | norm(f"{at}.mask_downscaling.4", 4)


def attention(name: str, inner: int) -> dict[str, tuple[int, ...]]:
    told = {k: v for part in "qkv" for k, v in linear(f"{name}.{part}_proj", inner, DEEP).items()}
    return told | linear(f"{name}.out_proj", DEEP, inner)


def decoder() -> dict[str, tuple[int, ...]]:
    at, told = "mask_decoder.transformer", dict[str, tuple[int, ...]]()
    for index in range(2):
        layer = f"{at}.layers.{index}"
        told |= attention(f"{layer}.self_attn", DEEP)
        told |= attention(f"{layer}.cross_attn_token_to_image", DEEP // 2)
        told |= attention(f"{layer}.cross_attn_image_to_token", DEEP // 2)
        told |= linear(f"{layer}.mlp.lin1", 32, DEEP) | linear(f"{layer}.mlp.lin2", DEEP, 32)
        told |= {k: v for i in range(1, 5) for k, v in norm(f"{layer}.norm{i}", DEEP).items()}
    told |= attention(f"{at}.final_attn_token_to_image", DEEP // 2) | norm(f"{at}.norm_final_attn", DEEP)
    at = "mask_decoder"
    told |= {f"{at}.iou_token.weight": (1, DEEP), f"{at}.mask_tokens.weight": (4, DEEP)}
    told |= {f"{at}.output_upscaling.0.weight": (DEEP, 4, 2, 2), f"{at}.output_upscaling.0.bias": (4,)}
    told |= {f"{at}.output_upscaling.3.weight": (4, 2, 2, 2), f"{at}.output_upscaling.3.bias": (2,)}
    told |= norm(f"{at}.output_upscaling.1", 4)
    heads = {f"{at}.output_hypernetworks_mlps.{i}": 2 for i in range(4)} | {f"{at}.iou_prediction_head": 4}
    for head, out in heads.items():
        told |= linear(f"{head}.layers.0", DEEP, DEEP) | linear(f"{head}.layers.1", DEEP, DEEP)
        told |= linear(f"{head}.layers.2", out, DEEP)
    return told


def save(file: Path, adapter: bool = True) -> Path:
    """Weights from a seed, in the order of their names; wrapped as the authors' training saves them."""
    generator, shapes = torch.Generator().manual_seed(0), encoder(adapter) | prompts() | decoder()
    state = {name: torch.randn(shapes[name], generator=generator) * 0.3 for name in sorted(shapes)}
    torch.save({"model": state, "epoch": 1} if adapter else state, file)
    return file
