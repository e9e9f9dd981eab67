"""Ours: a few noised latents instead of a walk.

The true latent is noised at a few times with seeded, paired noise (antithetic: n and −n), the same for all
phrases. With "shared" queries one pass without text serves every phrase, whose keys are applied to its
queries (after OVAM, arXiv 2403.14291; an approximation, because the text changes later queries).
Self-attention carries the map along what belongs together (after DiffSegmenter, arXiv 2309.02773), the mean
map of contrast phrases is taken off, and the change of the predicted noise can be mixed in. Knows no views
and no files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from foveate.tools.grounding.diffusion.maps import geometric_mean, minmax, resize, sum_tensors
from foveate.tools.grounding.diffusion.protocol import Denoiser, Site
from foveate.tools.grounding.diffusion.readout import Prompts, read_sites
from foveate.tools.grounding.diffusion.recipes import Recipe
from foveate.tools.grounding.diffusion.taps import CrossTap, SelfTap, tapped


@dataclass(frozen=True)
class Noised:
    """`latents` and `noise` (n, c, h, w), `times` (n,): the same for every phrase and every call."""

    latents: Tensor
    noise: Tensor
    times: Tensor


@dataclass(frozen=True)
class Errors:
    """Squared error of the predicted noise, mean over channels: `null` (n, h, w) without text, `phrase`
    (phrases, n, h, w) with it, and the squared difference `change` (phrases, n, h, w) of the two predictions.
    """

    null: Tensor
    phrase: Tensor
    change: Tensor


@dataclass(frozen=True)
class FastMaps:
    """`heat` (phrases, s, s) in [0, 1] at the finest grid that was read; `totals` (phrases, s, s), the
    attention to all words of a phrase together; `errors` where they were measured.
    """

    heat: Tensor
    totals: Tensor
    errors: Errors | None


def noised(image: Tensor, recipe: Recipe, denoiser: Denoiser) -> Noised:
    """The recipe's noised latents of an image latent (1, c, h, w). The noise is drawn on the CPU: the same
    on every device.
    """
    generator, shape = torch.Generator().manual_seed(recipe.seed), image.shape[1:]
    if recipe.antithetic:
        half = torch.randn(recipe.latents // 2, *shape, generator=generator)
        noise = torch.stack([half, -half], 1).flatten(0, 1)
    else:
        noise = torch.randn(recipe.latents, *shape, generator=generator)
    per_time = 2 if recipe.antithetic else 1
    shares = [recipe.times[i // per_time % len(recipe.times)] for i in range(recipe.latents)]
    last = len(denoiser.schedule) - 1
    times, noise = torch.tensor([min(last, round(s * last)) for s in shares]), noise.to(image)
    return Noised(denoiser.schedule.add_noise(image, noise, times), noise, times)


def run_fast(
    image: Tensor, prompts: Prompts, contrast: Prompts | None, recipe: Recipe, denoiser: Denoiser
) -> FastMaps:
    """Latent (1, c, h, w) → maps of each phrase."""
    start, sites = noised(image, recipe, denoiser), read_sites(recipe, denoiser)
    every = with_totals(prompts if contrast is None else _joined(prompts, contrast))
    count = len(prompts.phrases)
    with_errors = recipe.presence == "noise" or recipe.difference != "none"
    self_tap = SelfTap(slice(None), image.shape[-1])
    shared = CrossTap(slice(None), every.readout, every.text.states, every.text.mask)
    # one phrase must not change another's map: what all share is read without text
    if recipe.queries == "shared" or with_errors or recipe.propagate:
        null = _null_pass(
            start, sites if recipe.queries == "shared" else (), shared, self_tap, recipe, denoiser
        )
    per_site = _mean_rows(shared) if recipe.queries == "shared" else {}
    errors = None
    if recipe.queries == "own" or with_errors:
        wanted = every if recipe.queries == "own" else with_totals(prompts)
        outputs, own = _own_passes(start, wanted, sites, recipe, denoiser)
        per_site = own if recipe.queries == "own" else per_site
        errors = _errors(start, null, outputs[:count], denoiser) if with_errors else None
    latent = image.shape[-1]
    heat = _fuse({index: maps[:, 0] for index, maps in per_site.items()}, sites, count, latent, recipe)
    heat = _propagated(heat, self_tap.means(), recipe) ** recipe.power
    totals = _totals({index: maps[:count, 1] for index, maps in per_site.items()}, sites, latent)
    return FastMaps(_mixed(heat, errors, recipe), totals, errors)


def with_totals(prompts: Prompts) -> Prompts:
    """The prompts with a second sum: all the tokens that are read, each counted whole."""
    totals = (prompts.readout > 0).to(prompts.readout)
    return replace(prompts, readout=torch.cat([prompts.readout, totals], 1))


def _null_pass(
    start: Noised,
    sites: tuple[Site, ...],
    tap: CrossTap,
    self_tap: SelfTap,
    recipe: Recipe,
    denoiser: Denoiser,
) -> Tensor:
    """The outputs without text (n, c, h, w); reads cross-attention of all phrases if there are sites."""
    text, outputs, found = denoiser.encode_text([""]), [], []
    for low in range(0, len(start.times), recipe.batch):
        some = slice(low, low + recipe.batch)
        rows = text.repeat(len(start.times[some]))
        with tapped(sites, tap), tapped(_self_sites(recipe, denoiser), self_tap):
            outputs.append(denoiser.predict(start.latents[some], start.times[some], rows))
        found.append(tap.take())
    tap.found = {site.index: torch.cat([part[site.index] for part in found]) for site in sites}
    return torch.cat(outputs)


def _own_passes(
    start: Noised,
    wanted: Prompts,
    sites: tuple[Site, ...],
    recipe: Recipe,
    denoiser: Denoiser,
) -> tuple[Tensor, dict[int, Tensor]]:
    """Outputs (phrases, n, c, h, w) and site → (phrases, sums, places), each phrase through its own
    passes.
    """
    count, latents = len(wanted.phrases), len(start.times)
    pairs = [(p, n) for p in range(count) for n in range(latents)]
    outputs, found = [], []
    for low in range(0, len(pairs), recipe.batch):
        p, n = ([pair[k] for pair in pairs[low : low + recipe.batch]] for k in (0, 1))
        tap = CrossTap(slice(None), wanted.readout[p])
        with tapped(sites, tap):
            outputs.append(denoiser.predict(start.latents[n], start.times[n], wanted.text.rows(p)))
        found.append(tap.take())
    maps = {s.index: torch.cat([part[s.index] for part in found]) for s in sites}
    means = {index: rows.unflatten(0, (count, latents)).mean(1) for index, rows in maps.items()}
    return torch.cat(outputs).unflatten(0, (count, latents)), means


def _mean_rows(tap: CrossTap) -> dict[int, Tensor]:
    """Site → (phrases, sums, places)."""
    return {index: maps.mean(0) for index, maps in tap.take().items()}


def _self_sites(recipe: Recipe, denoiser: Denoiser) -> tuple[Site, ...]:
    sides, latent = {side for side, _ in recipe.propagate}, denoiser.image.latent_side
    return tuple(s for s in denoiser.self_sites if s.grid(latent, latent)[0] in sides)


def _errors(start: Noised, null: Tensor, outputs: Tensor, denoiser: Denoiser) -> Errors:
    """Per-place squared errors of the predicted noise, with and without text."""
    split = denoiser.schedule.split
    without = split(null, start.latents, start.times)[1]
    given = torch.stack([split(output, start.latents, start.times)[1] for output in outputs])
    return Errors(
        (without - start.noise).square().mean(1),
        (given - start.noise).square().mean(2),
        (given - without).square().mean(2),
    )


def _fuse(
    per_site: dict[int, Tensor], sites: tuple[Site, ...], count: int, latent: int, recipe: Recipe
) -> Tensor:
    """Site maps (phrases + contrasts, places) → (phrases, s, s) at the finest grid read: the (geometric) mean
    of layers of a grid, then of grids, each normalised, less the contrast.
    """
    grids: dict[int, list[Tensor]] = {}
    for site in sites:
        rows, cols = site.grid(latent, latent)
        maps = _normalised(per_site[site.index].unflatten(-1, (rows, cols)), recipe)
        if len(maps) > count:
            maps = maps[:count] - recipe.contrast_weight * maps[count:].mean(0)
        grids.setdefault(rows, []).append(maps)
    finest = max(grids)
    means = [resize(_mean(maps, recipe), finest, "bilinear") for maps in grids.values()]
    return _mean(means, recipe)


def _mean(maps: list[Tensor], recipe: Recipe) -> Tensor:
    # what the contrast made negative counts as nothing in a product
    return sum_tensors(maps) / len(maps) if recipe.fuse == "mean" else geometric_mean(maps)


def _totals(per_site: dict[int, Tensor], sites: tuple[Site, ...], latent: int) -> Tensor:
    """Mean over layers at the finest grid."""
    grids = [per_site[site.index].unflatten(-1, site.grid(latent, latent)) for site in sites]
    finest = max(grid.shape[-1] for grid in grids)
    return sum_tensors([resize(grid, finest, "bilinear") for grid in grids]) / len(grids)


def _normalised(maps: Tensor, recipe: Recipe) -> Tensor:
    if recipe.normalise == "minmax":
        return minmax(maps)
    return maps / maps.mean((-2, -1), keepdim=True) if recipe.normalise == "mean" else maps


def _propagated(heat: Tensor, attention: dict[int, Tensor], recipe: Recipe) -> Tensor:
    """Each grid's self-attention applied to the map at that grid, mixed in, coarse grids first."""
    for side, times in sorted(recipe.propagate):
        if side not in attention:
            continue
        carried = resize(heat, side, "bilinear").flatten(1)
        for _ in range(times):
            carried = carried @ attention[side].T
        finest = max(side, heat.shape[-1])
        carried, kept = (resize(m, finest, "bilinear") for m in (carried.unflatten(1, (side, side)), heat))
        heat = recipe.propagate_mix * minmax(carried) + (1 - recipe.propagate_mix) * minmax(kept)
    return minmax(heat)


def _mixed(heat: Tensor, errors: Errors | None, recipe: Recipe) -> Tensor:
    """Attention and the change of predicted noise, each in 0…1."""
    if errors is None or recipe.difference == "none" or recipe.difference_weight == 0:
        return heat
    if recipe.difference == "magnitude":
        change = errors.change.mean(1).sqrt()
    else:
        change = (errors.null[None] - errors.phrase).mean(1).clamp(min=0)
    change = minmax(change)
    finest = max(heat.shape[-1], change.shape[-1])
    heat, change = resize(heat, finest, "bilinear"), resize(change, finest, "bilinear")
    return minmax((1 - recipe.difference_weight) * heat + recipe.difference_weight * change)


def _joined(one: Prompts, other: Prompts) -> Prompts:
    states = torch.cat([one.text.states, other.text.states])
    masks = (one.text.mask, other.text.mask)
    mask = None if masks[0] is None or masks[1] is None else torch.cat([masks[0], masks[1]])
    text = type(one.text)(states, (*one.text.tokens, *other.text.tokens), mask)
    return Prompts((*one.phrases, *other.phrases), text, torch.cat([one.readout, other.readout]))
