"""2404.12920 and 2507.12236 done plainly and slowly, straight from their descriptions: every probability of
every layer and step is kept, and nothing is shared. Uses none of the code under test but the loaded networks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from skimage.filters import threshold_multiotsu
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn import functional as F

Maps = list[Tensor]
"""One (heads, h, w, tokens) per cross-attention layer, in the order of computation."""


class Materialise:
    """diffusers' plain attention path with its probabilities kept, in order of computation."""

    def __init__(self) -> None:
        self.kept: list[Tensor] = []

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        text = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (
            attn.head_to_batch_dim(x) for x in (attn.to_q(hidden_states), attn.to_k(text), attn.to_v(text))
        )
        probabilities = attn.get_attention_scores(q, k, attention_mask)
        if encoder_hidden_states is not None:
            self.kept.append(probabilities.unflatten(0, (-1, attn.heads)))
        out = attn.batch_to_head_dim(torch.bmm(probabilities, v))
        return attn.to_out[1](attn.to_out[0](out))


def diffusers_pass(unet: Any) -> Callable[[Tensor, int, Tensor], tuple[Tensor, list[Tensor]]]:
    """(latents, t, text) → (output, probabilities (rows, heads, places, tokens) of each layer)."""

    def run(latents: Tensor, t: int, text: Tensor) -> tuple[Tensor, list[Tensor]]:
        before, keeper = unet.attn_processors, Materialise()
        unet.set_attn_processor(keeper)
        out = unet(latents, t, text).sample
        unet.set_attn_processor(before)
        return out, keeper.kept

    return run


def monai_pass(unet: Any) -> Callable[[Tensor, int, Tensor], tuple[Tensor, list[Tensor]]]:
    """The same for MONAI, whose layers keep their matrix themselves when asked."""
    order = [unet.down_blocks, unet.middle_block, unet.up_blocks]
    layers = [m for part in order for n, m in part.named_modules() if n.endswith("attn2")]

    def run(latents: Tensor, t: int, text: Tensor) -> tuple[Tensor, list[Tensor]]:
        for layer in layers:
            layer.use_flash_attention, layer.save_attn = False, True
        out = unet(latents, torch.full((len(latents),), t), text)
        kept = [layer.att_mat for layer in layers]
        for layer in layers:
            layer.use_flash_attention, layer.save_attn = True, False
        return out, kept

    return run


def norm01(m: Any) -> Any:
    return (m - m.min()) / (m.max() - m.min())


def ldm(
    z: Tensor, null: Tensor, text: Tensor, between: list[int], run: Any, alphas: Tensor, v_prediction: bool,
    layers: list[int], side: int, steps: int, height: int, width: int,
) -> np.ndarray[Any, Any]:  # fmt: skip
    """§1 of methods.md: inversion at guidance 0, all kept, then read. Map (height, width), margin 0."""
    gap = 1000 // steps
    times, kept = sorted(range(999, -1, -gap)), []
    for i, t in enumerate(times):
        out, probabilities = run(torch.cat([z, z]), t, torch.cat([null, text]))
        kept.append([p[1].mean(0) for p in probabilities])
        uncond, cond = out[:1], out[1:]
        out = uncond + 0.0 * (cond - uncond)
        a = alphas[t]
        x0 = a**0.5 * z - (1 - a) ** 0.5 * out if v_prediction else (z - (1 - a) ** 0.5 * out) / a**0.5
        eps = a**0.5 * out + (1 - a) ** 0.5 * z if v_prediction else out
        if i + 1 < len(times):
            b = alphas[times[i + 1]]
            z = b**0.5 * x0 + (1 - b) ** 0.5 * eps
    maps = []
    for step in range(int(steps * 0.4), int(steps * 0.6)):
        for layer in layers:
            p = kept[step][layer][:, between].mean(-1)
            grid = round(len(p) ** 0.5)
            small = norm01(p.view(1, 1, grid, grid))
            maps.append(F.interpolate(small, (side, side), mode="bilinear", align_corners=False)[0, 0])
    heat = norm01(ndimage.gaussian_filter(torch.stack(maps).mean(0).numpy(), 2.5 * side / 512))
    heat = heat * (heat > threshold_multiotsu(heat, classes=2)[0])
    edge = min(height, width)
    square = F.interpolate(torch.tensor(heat)[None, None], (edge, edge), mode="nearest-exact")[0, 0].numpy()
    full = np.zeros((height, width), np.float32)
    top, left = (height - edge) // 2, (width - edge) // 2
    full[top : top + edge, left : left + edge] = square
    return full


def bbm(
    z: Tensor, null: Tensor, text: Tensor, content: list[int], run: Any, alphas: Tensor, noise: list[Tensor],
    start: Tensor, steps: int, guidance: float,
) -> np.ndarray[Any, Any]:  # fmt: skip
    """§2 of methods.md: the run on the image, then the run from noise, all kept, then merged (s, s)."""
    times, side = [i * (1000 // steps) + 1 for i in range(steps)][::-1], z.shape[-1]
    seen, made, x = [], [], start
    for t, n in zip(times, noise, strict=True):
        noisy = alphas[t] ** 0.5 * z + (1 - alphas[t]) ** 0.5 * n
        seen.append(_square(run(noisy, t, text)[1], side))
    for i, t in enumerate(times):
        out, probabilities = run(torch.cat([x, x]), t, torch.cat([null, text]))
        made.append(_square([p[1:] for p in probabilities], side))
        eps = out[:1] + guidance * (out[1:] - out[:1])
        x0 = (x - (1 - alphas[t]) ** 0.5 * eps) / alphas[t] ** 0.5
        if i + 1 < steps:
            x = alphas[times[i + 1]] ** 0.5 * x0 + (1 - alphas[times[i + 1]]) ** 0.5 * eps
    image, text_maps = torch.stack(seen), torch.stack(made)  # (steps, layers, tokens, s, s)
    i, t = image[:, :, :1], text_maps[:, :, content]
    m = norm01((i @ t).mean((0, 1, 2))).numpy()
    a = norm01(image[steps // 5 :, :, content].mean((0, 1, 2))).numpy()
    pictures = [(norm01(p.mean((0, 1, 2))) * 255).numpy().astype(np.uint8) for p in (i, t)]
    s = max(0.0, structural_similarity(*pictures))
    return s * (1 - s) * (m + a + m * a) + (1 - s) ** 2 * a + s**2 * m


def _square(probabilities: list[Tensor], side: int) -> Tensor:
    """[(1, heads, places, tokens)] → (layers, tokens, side, side)."""
    out = []
    for p in probabilities:
        mean = p[0].mean(0)
        grid = round(len(mean) ** 0.5)
        maps = mean.T.reshape(1, -1, grid, grid)
        out.append(F.interpolate(maps, (side, side), mode="nearest")[0])
    return torch.stack(out)
