"""DDIM inversion and the attention in its middle: 2404.12920 (Vilouras et al., IEEE JBHI 2024) and the
inference of 2506.10633.

The latent walks from image to noise by the prediction without text (guidance 0); the attention of the row
with the phrase is read in the window. That walk does not depend on the phrase: with `share` one walk serves
every phrase and ends with the window. The posterior's mean is taken for the latent, so that a run can be
repeated.
"""

from __future__ import annotations

import torch
from torch import Tensor

from foveate.tools.grounding.diffusion.maps import RunningMean, blurred, minmax, otsu_masked
from foveate.tools.grounding.diffusion.protocol import Denoiser, EncodedText, Site
from foveate.tools.grounding.diffusion.readout import Prompts, read_sites
from foveate.tools.grounding.diffusion.recipes import Recipe
from foveate.tools.grounding.diffusion.taps import CrossTap, tapped


def run_ldm(image: Tensor, prompts: Prompts, recipe: Recipe, denoiser: Denoiser) -> Tensor:
    """Latent (1, c, h, w) → maps (phrases, side, side) in [0, 1] on the square that the image encoder
    took.
    """
    sites, null = read_sites(recipe, denoiser), denoiser.encode_text([""])
    if recipe.share and recipe.guidance == 0:
        means = _shared_walk(image, prompts, null, sites, recipe, denoiser)
    else:
        alone = [
            _one_walk(image, prompts, i, null, sites, recipe, denoiser) for i in range(len(prompts.phrases))
        ]
        means = torch.cat(alone)
    heat = minmax(blurred(means.cpu(), recipe.blur * denoiser.image.side / 512))
    return otsu_masked(heat) if recipe.mask == "otsu" else heat


def _shared_walk(
    image: Tensor,
    prompts: Prompts,
    null: EncodedText,
    sites: tuple[Site, ...],
    recipe: Recipe,
    denoiser: Denoiser,
) -> Tensor:
    mean, latents = RunningMean(), image
    times = denoiser.schedule.descending(recipe.steps, recipe.spacing)[::-1]
    first, last = window(recipe)
    for step, now in enumerate(times[:last]):
        if step >= first:
            read_maps(latents, now, prompts, sites, recipe, denoiser, mean)
        at = torch.tensor([now])
        output = denoiser.predict(latents, at, null)
        latents = _onward(output, latents, times, step, denoiser)
    return mean.mean(denoiser.image.side, "bilinear")


def read_maps(
    latents: Tensor, now: int, prompts: Prompts, sites: tuple[Site, ...], recipe: Recipe, denoiser: Denoiser,
    mean: RunningMean,
) -> None:  # fmt: skip
    """Adds each layer's min–max map of every phrase at one step; phrases go through in batches."""
    found: dict[int, list[Tensor]] = {site.index: [] for site in sites}
    count = len(prompts.phrases)
    for low in range(0, count, recipe.batch):
        some = list(range(low, min(low + recipe.batch, count)))
        tap = CrossTap(slice(None), prompts.readout[some])
        with tapped(sites, tap):
            rows = latents.expand(len(some), -1, -1, -1)
            denoiser.predict(rows, torch.full((len(some),), now), prompts.text.rows(some))
        for index, maps in tap.take().items():
            found[index].append(maps[:, 0])
    _add(found, sites, latents, mean)


def _one_walk(
    image: Tensor, prompts: Prompts, which: int, null: EncodedText, sites: tuple[Site, ...], recipe: Recipe,
    denoiser: Denoiser,
) -> Tensor:  # fmt: skip
    """As published: two rows at every step of the schedule, for each phrase anew."""
    both, mean, latents = _pair(null, prompts.text.rows([which])), RunningMean(), image
    times = denoiser.schedule.descending(recipe.steps, recipe.spacing)[::-1]
    first, last = window(recipe)
    for step, now in enumerate(times):
        tap = CrossTap(slice(1, 2), prompts.readout[[which]])
        with tapped(sites if first <= step < last else (), tap):
            output = denoiser.predict(latents.expand(2, -1, -1, -1), torch.tensor([now, now]), both)
        _add({index: [maps[:, 0]] for index, maps in tap.take().items()}, sites, latents, mean)
        guided = output[:1] + recipe.guidance * (output[1:] - output[:1])
        latents = _onward(guided, latents, times, step, denoiser)
    return mean.mean(denoiser.image.side, "bilinear")


def window(recipe: Recipe) -> tuple[int, int]:
    """[first, last) of the steps that are read; shares of the nominal steps."""
    return round(recipe.window[0] * recipe.steps), round(recipe.window[1] * recipe.steps)


def _add(found: dict[int, list[Tensor]], sites: tuple[Site, ...], latents: Tensor, mean: RunningMean) -> None:
    for site in sites:
        if found.get(site.index):
            grid = site.grid(latents.shape[-2], latents.shape[-1])
            mean.add(minmax(torch.cat(found[site.index]).unflatten(-1, grid)))


def _onward(output: Tensor, latents: Tensor, times: list[int], step: int, denoiser: Denoiser) -> Tensor:
    """One step towards noise; the last has nowhere to go."""
    if step + 1 >= len(times):
        return latents
    schedule, at = denoiser.schedule, torch.tensor([times[step]])
    return schedule.move(*schedule.split(output, latents, at), torch.tensor([times[step + 1]]))


def _pair(null: EncodedText, text: EncodedText) -> EncodedText:
    mask = None if text.mask is None or null.mask is None else torch.cat([null.mask, text.mask])
    return EncodedText(torch.cat([null.states, text.states]), (*null.tokens, *text.tokens), mask)
