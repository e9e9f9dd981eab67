"""Generate to Ground (arXiv 2507.12236, MIDL 2025): attention at freshly noised true latents, and Bimodal
Bias Merging with the attention of generating a picture from the phrase.

No inversion: at each DDIM timestep the true latent is noised anew (seeded here, so that a run can be
repeated; the same noise for all phrases) and passed once with the phrase. The guidance of that run changes
nothing that is read, so its unconditional row is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from foveate.tools.grounding.diffusion.maps import minmax, resize
from foveate.tools.grounding.diffusion.protocol import Denoiser, Site
from foveate.tools.grounding.diffusion.readout import Prompts, read_sites
from foveate.tools.grounding.diffusion.recipes import Recipe
from foveate.tools.grounding.diffusion.run_ldm import window
from foveate.tools.grounding.diffusion.taps import CrossTap, tapped

CLS, CONTENT = 0, 1
"""Rows of the readout: the first token of the prompt, and the mean of its content tokens."""


@dataclass
class Sums:
    """Running sums of maps (phrases, s, s); memory does not grow with steps."""

    content: list[Tensor] = field(default_factory=list)
    first: list[Tensor] = field(default_factory=list)
    generated: list[Tensor] = field(default_factory=list)
    product: list[Tensor] = field(default_factory=list)

    @staticmethod
    def add(total: list[Tensor], maps: Tensor) -> None:
        total[:] = [total[0] + maps if total else maps.clone()]


def run_g2g(image: Tensor, prompts: Prompts, recipe: Recipe, denoiser: Denoiser) -> Tensor:
    """Latent (1, c, h, w) → maps (phrases, s, s) on the latent grid."""
    sites, sums = read_sites(recipe, denoiser), Sums()
    schedule, side = denoiser.schedule, image.shape[-1]
    times = schedule.descending(recipe.steps, recipe.spacing)
    first, last = window(recipe)
    generator = torch.Generator().manual_seed(recipe.seed)
    painted = torch.randn(len(prompts.phrases), *image.shape[1:], generator=generator).to(image)
    for step, now in enumerate(times):
        noise = torch.randn(image.shape, generator=generator).to(image)
        counted = first <= step < last
        if not (counted or recipe.merge):
            continue
        noisy = schedule.add_noise(image, noise, torch.tensor([now]))
        seen, _ = _read(noisy.expand(len(prompts.phrases), -1, -1, -1), now, prompts, sites, recipe, denoiser)
        layers = [_layer(seen, site, side) for site in sites]
        if counted:
            Sums.add(sums.content, torch.stack([maps[:, CONTENT] for maps in layers]).mean(0))
        if recipe.merge:
            painted = _paint(painted, step, times, layers, prompts, sites, recipe, denoiser, sums)
    content = minmax(sums.content[0]).cpu()
    return _merged(content, sums) if recipe.merge else content


def _paint(
    painted: Tensor, step: int, times: list[int], seen: list[Tensor], prompts: Prompts, sites: tuple[Site,
    ...], recipe: Recipe, denoiser: Denoiser, sums: Sums,
) -> Tensor:  # fmt: skip
    """One guided DDIM step of text → image, in step with the run on the true image, whose layers are
    `seen`.
    """
    made, given = _read(painted, times[step], prompts, sites, recipe, denoiser)
    side = painted.shape[-1]
    for maps, site in zip(seen, sites, strict=True):
        text = _layer(made, site, side)[:, CONTENT]
        Sums.add(sums.product, maps[:, CLS] @ text)
        Sums.add(sums.first, maps[:, CLS])
        Sums.add(sums.generated, text)
    if step + 1 == len(times):
        return painted
    now = torch.full((len(painted),), times[step])
    without = _without_text(painted, now, recipe, denoiser)
    guided = without + recipe.guidance * (given - without)
    return denoiser.schedule.move(
        *denoiser.schedule.split(guided, painted, now), torch.full_like(now, times[step + 1])
    )


def _read(
    latents: Tensor, now: int, prompts: Prompts, sites: tuple[Site, ...], recipe: Recipe, denoiser: Denoiser
) -> tuple[dict[int, Tensor], Tensor]:
    """Site → (phrases, 2, places) and the outputs (phrases, c, h, w), in batches."""
    found: dict[int, list[Tensor]] = {site.index: [] for site in sites}
    outputs = []
    for some in _batches(len(latents), recipe.batch):
        content = prompts.readout[some]
        first = torch.zeros_like(content)
        first[..., 0] = 1.0
        tap = CrossTap(slice(None), torch.cat([first, content], 1))
        with tapped(sites, tap):
            times = torch.full((len(some),), now)
            outputs.append(denoiser.predict(latents[some], times, prompts.text.rows(some)))
        for index, maps in tap.take().items():
            found[index].append(maps)
    return {index: torch.cat(parts) for index, parts in found.items()}, torch.cat(outputs)


def _without_text(latents: Tensor, times: Tensor, recipe: Recipe, denoiser: Denoiser) -> Tensor:
    null = denoiser.encode_text([""])
    return torch.cat([
        denoiser.predict(latents[some], times[some], null.repeat(len(some)))
        for some in _batches(len(latents), recipe.batch)
    ])  # fmt: skip


def _layer(found: dict[int, Tensor], site: Site, side: int) -> Tensor:
    """(phrases, 2, side, side), nearest."""
    maps = found[site.index].unflatten(-1, site.grid(side, side))
    return resize(maps.flatten(0, 1), side, "nearest").reshape(len(maps), -1, side, side)


def _merged(content: Tensor, sums: Sums) -> Tensor:
    """Out = s(1−s)(M + A + M⊙A) + (1−s)²A + s²M, with s the similarity of the two runs' maps."""
    product, images, texts = (minmax(total[0]).cpu() for total in (sums.product, sums.first, sums.generated))
    out = []
    for a, m, i, t in zip(content, product, images, texts, strict=True):
        s = similarity(i, t)
        out.append(s * (1 - s) * (m + a + m * a) + (1 - s) ** 2 * a + s**2 * m)
    return torch.stack(out)


def similarity(one: Tensor, other: Tensor) -> float:
    """SSIM of two maps in 0…1 as 8-bit pictures (scikit-image's defaults), at least 0."""
    from skimage import metrics

    ssim: Any = metrics.structural_similarity
    # SSIM's window has 7 pixels; a smaller latent grid needs a smaller one
    size = min(7, min(one.shape) - (min(one.shape) + 1) % 2)
    pictures = [(m.numpy() * 255).astype(np.uint8) for m in (one, other)]
    return max(0.0, float(ssim(*pictures, win_size=size)))


def _batches(count: int, size: int) -> Sequence[list[int]]:
    return [list(range(low, min(low + size, count))) for low in range(0, count, size)]
