"""A SAM state dict in its authors' layout → transformers' SamModel, with adapter layers where it has them.

The layout is that of segment-anything; the adapter layers are SAM-Med2D's (arXiv 2308.16184): channel
attention, then two convolutions down and up, beside each block's MLP. Knows no pictures.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from foveate.tools.grounding.checkpoint import explained
from foveate.tools.grounding.errors import GrounderError

WINDOW = 14
"""SAM's: blocks whose relative positions are of another size look at the whole picture."""
_NAMES = {
    "image_encoder.patch_embed.proj": "vision_encoder.patch_embed.projection",
    "image_encoder.neck.0": "vision_encoder.neck.conv1",
    "image_encoder.neck.1": "vision_encoder.neck.layer_norm1",
    "image_encoder.neck.2": "vision_encoder.neck.conv2",
    "image_encoder.neck.3": "vision_encoder.neck.layer_norm2",
    "image_encoder.blocks": "vision_encoder.layers",
    "image_encoder": "vision_encoder",
    "prompt_encoder.point_embeddings": "prompt_encoder.point_embed",
    "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (
        "prompt_encoder.shared_embedding.positional_embedding"
    ),
    "mask_downscaling.0": "mask_embed.conv1",
    "mask_downscaling.1": "mask_embed.layer_norm1",
    "mask_downscaling.3": "mask_embed.conv2",
    "mask_downscaling.4": "mask_embed.layer_norm2",
    "mask_downscaling.6": "mask_embed.conv3",
    "output_upscaling.0": "upscale_conv1",
    "output_upscaling.1": "upscale_layer_norm",
    "output_upscaling.3": "upscale_conv2",
}
_SHARED = "shared_image_embedding.positional_embedding"
_MLP_HEAD = re.compile(r"(output_hypernetworks_mlps\.\d+|iou_prediction_head)\.layers\.(\d)")
_HEAD_LAYERS = {"0": "proj_in", "1": "layers.0", "2": "proj_out"}


class Adapter(nn.Module):
    """Tokens (B, H, W, C) → what is added to their block's output, of the same shape."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.channel = nn.Sequential(
            nn.Linear(width, hidden, bias=False),
            nn.ReLU(),
            nn.Linear(hidden, width, bias=False),
            nn.Sigmoid(),
        )
        self.spatial = nn.Sequential(
            nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False), nn.ReLU(),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1, bias=False), nn.ReLU(),
        )  # fmt: skip

    def forward(self, tokens: Tensor) -> Tensor:
        weighted = tokens * self.channel(tokens.mean((1, 2)))[:, None, None]
        spread = self.spatial(weighted.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        added: Tensor = self.norm(tokens + spread)
        return added


class WithAdapter(nn.Module):
    """A block's MLP and its adapter, both of the normalised tokens."""

    def __init__(self, mlp: nn.Module, adapter: Adapter) -> None:
        super().__init__()
        self.mlp, self.adapter = mlp, adapter

    def forward(self, tokens: Tensor) -> Tensor:
        added: Tensor = self.mlp(tokens) + self.adapter(tokens)
        return added


def read_original(file: Path) -> Any:
    """The network in evaluation mode on its device. Raises GrounderError for what is no such state dict."""
    with explained(file.name, str(file)):
        read = torch.load(file, map_location="cpu", weights_only=True)
        weights: dict[str, Tensor] = read.get("model", read)
    if "image_encoder.pos_embed" not in weights:
        raise GrounderError(f"{file.name!r} is no checkpoint in SAM's own layout: it has no image encoder.")
    with explained(file.name, str(file)):
        named = {_renamed(key, weights): value.float() for key, value in weights.items()}
        named[_SHARED] = named[f"prompt_encoder.{_SHARED.replace('_image', '')}"]
        network = _empty(weights)
        network.load_state_dict(named)
    return network.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def _empty(weights: dict[str, Tensor]) -> Any:
    """The network of the sizes that the weights have."""
    from transformers import SamConfig, SamModel

    width, _, patch, _ = weights["image_encoder.patch_embed.proj.weight"].shape
    side = weights["image_encoder.pos_embed"].shape[1]
    places = _all(weights, r"image_encoder\.blocks\.\d+\.attn\.rel_pos_h")
    whole = [i for i, each in enumerate(places) if len(each) != 2 * WINDOW - 1]
    deep = weights["image_encoder.neck.0.weight"].shape[0]
    decoder = _all(weights, r"mask_decoder\.transformer\.layers\.\d+\.mlp\.lin1\.weight")
    config = SamConfig(
        vision_config={
            "hidden_size": width, "num_hidden_layers": len(places), "image_size": side * patch,
            "num_attention_heads": width // places[0].shape[1], "patch_size": patch, "output_channels": deep,
            "mlp_dim": weights["image_encoder.blocks.0.mlp.lin1.weight"].shape[0], "window_size": WINDOW,
            "global_attn_indexes": whole, "num_pos_feats": deep // 2,
        },
        prompt_encoder_config={
            "hidden_size": deep, "image_size": side * patch, "patch_size": patch,
            "mask_input_channels": weights["prompt_encoder.mask_downscaling.3.weight"].shape[0],
        },
        mask_decoder_config={
            "hidden_size": deep, "num_hidden_layers": len(decoder), "mlp_dim": decoder[0].shape[0],
            "iou_head_hidden_dim": weights["mask_decoder.iou_prediction_head.layers.0.weight"].shape[0],
        },
    )  # fmt: skip
    network: Any = SamModel(config)
    for index, layer in enumerate(network.vision_encoder.layers):
        key = f"image_encoder.blocks.{index}.Adapter.channel.0.weight"
        if key in weights:
            layer.mlp = WithAdapter(layer.mlp, Adapter(width, weights[key].shape[0]))
    return network


def _all(weights: dict[str, Tensor], pattern: str) -> list[Tensor]:
    """What one weight is in every block, in order."""
    found = [key for key in weights if re.fullmatch(pattern, key)]
    return [weights[key] for key in sorted(found, key=lambda key: [int(n) for n in re.findall(r"\d+", key)])]


def _renamed(key: str, weights: dict[str, Tensor]) -> str:
    block = re.match(r"image_encoder\.blocks\.\d+\.", key)
    if block and f"{block.group()}Adapter.norm.weight" in weights:
        key = key.replace(".mlp.", ".mlp.mlp.").replace(".Adapter.", ".mlp.adapter.")
    if ".mlp.adapter." not in key:  # its norm is called as it is
        key = re.sub(r"\.norm(?=\d|_final)", ".layer_norm", key)
    for old, new in _NAMES.items():
        if f".{old}." in f".{key}.":
            key = f".{key}.".replace(f".{old}.", f".{new}.").strip(".")
    return _MLP_HEAD.sub(lambda m: f"{m.group(1)}.{_HEAD_LAYERS[m.group(2)]}", key)
