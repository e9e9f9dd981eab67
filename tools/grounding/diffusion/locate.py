"""A picture, phrases, a recipe and a denoiser → one heat map per phrase. Knows no views, boxes or files."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from foveate.tools.grounding.diffusion.maps import minmax
from foveate.tools.grounding.diffusion.picture import Square, grey_picture
from foveate.tools.grounding.diffusion.presence import attention_scores, noise_scores
from foveate.tools.grounding.diffusion.prior import location_prior, says_where
from foveate.tools.grounding.diffusion.protocol import Denoiser, EncodedText
from foveate.tools.grounding.diffusion.readout import Prompts, read_prompts, read_sites
from foveate.tools.grounding.diffusion.recipes import Recipe
from foveate.tools.grounding.diffusion.run_fast import run_fast
from foveate.tools.grounding.diffusion.run_g2g import run_g2g
from foveate.tools.grounding.diffusion.run_ldm import run_ldm
from foveate.tools.grounding.errors import GrounderMemoryError

# a denoiser may serve several grounders and threads, and the taps of one must not see another's passes
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Located:
    """`maps` (phrases, h, w) float32, each min–max to [0, 1], in the picture's pixels, 0 where it was cut
    off.

    `presence` has one uncalibrated score a phrase where the recipe asks for it. `priors` are the maps of the
    location prior alone, where the recipe uses it. `forward_passes` counts rows: one latent with one prompt
    through the UNet. `layers` are the names of the layers that were read.
    """

    maps: npt.NDArray[np.float32]
    presence: npt.NDArray[np.float32] | None
    priors: npt.NDArray[np.float32] | None
    forward_passes: int
    layers: tuple[str, ...]


def heatmaps(
    picture: npt.NDArray[Any], phrases: Sequence[str], recipe: Recipe, denoiser: Denoiser
) -> npt.NDArray[np.float32]:
    """Maps (phrases, h, w) float32 in [0, 1] for a picture (h, w) or (h, w, 3), uint8 or floats in [0, 1]."""
    return locate(picture, phrases, recipe, denoiser).maps


def locate(picture: npt.NDArray[Any], phrases: Sequence[str], recipe: Recipe, denoiser: Denoiser) -> Located:
    """All that a recipe finds. Raises GrounderError for a phrase or a picture that cannot be grounded."""
    grey = grey_picture(picture, denoiser.image.latent_side)
    square = Square(grey.shape[0], grey.shape[1], denoiser.image.side, recipe.fit)
    counted = Counted(denoiser)
    with _ONE_AT_A_TIME, enough_memory(denoiser, recipe), torch.inference_mode():
        prompts = read_prompts(phrases, recipe, counted)
        latent = counted.encode_image(square.put(grey).to(denoiser.device))
        heat, presence = _run(latent, prompts, recipe, counted)
        back = minmax(torch.stack([square.back(one.float().cpu()) for one in heat]))
    priors = _priors(phrases, recipe, *grey.shape)
    if priors is not None:
        back = minmax(back * priors**recipe.prior_weight)
    return Located(
        back.clone().numpy().astype(np.float32),
        presence,
        None if priors is None else priors.numpy(),
        counted.rows,
        tuple(site.name for site in read_sites(recipe, denoiser)),
    )


def _run(
    latent: Tensor, prompts: Prompts, recipe: Recipe, denoiser: Denoiser
) -> tuple[Tensor, npt.NDArray[np.float32] | None]:
    if recipe.method == "ldm":
        return run_ldm(latent, prompts, recipe, denoiser), None
    if recipe.method == "g2g":
        return run_g2g(latent, prompts, recipe, denoiser), None
    found = run_fast(latent, prompts, _contrast(recipe, denoiser), recipe, denoiser)
    if recipe.presence == "attention":
        return found.heat, attention_scores(found.totals)
    if recipe.presence == "noise" and found.errors is not None:
        return found.heat, noise_scores(found.heat, found.errors)
    return found.heat, None


def _contrast(recipe: Recipe, denoiser: Denoiser) -> Prompts | None:
    """The contrast phrases; "" is the prompt without text, read at all its tokens but the first."""
    if not recipe.contrast or recipe.contrast_weight == 0:
        return None
    text = denoiser.encode_text(
        [recipe.template.replace("{phrase}", c) if c else "" for c in recipe.contrast]
    )
    weights = []
    for i, phrase in enumerate(recipe.contrast):
        told = torch.tensor(
            [float(not t.special) if phrase else float(k > 0) for k, t in enumerate(text.tokens[i])]
        )
        weights.append(told / told.sum())
    return Prompts(recipe.contrast, text, torch.stack(weights)[:, None].to(text.states))


def _priors(phrases: Sequence[str], recipe: Recipe, height: int, width: int) -> Tensor | None:
    if recipe.prior_weight == 0:
        return None
    flat = torch.ones(height, width)
    return torch.stack([location_prior(p, height, width) if says_where(p) else flat for p in phrases])


class Counted:
    """A denoiser that counts the rows that went through its UNet."""

    def __init__(self, inner: Denoiser) -> None:
        self.inner, self.rows = inner, 0
        self.name, self.device, self.max_tokens = inner.name, inner.device, inner.max_tokens
        self.schedule, self.image = inner.schedule, inner.image
        self.cross_sites, self.self_sites = inner.cross_sites, inner.self_sites

    def encode_image(self, picture: Tensor) -> Tensor:
        return self.inner.encode_image(picture)

    def encode_text(self, prompts: Sequence[str]) -> EncodedText:
        return self.inner.encode_text(prompts)

    def predict(self, latents: Tensor, timesteps: Tensor, text: EncodedText) -> Tensor:
        self.rows += len(latents)
        return self.inner.predict(latents, timesteps, text)


@contextmanager
def enough_memory(denoiser: Denoiser, recipe: Recipe) -> Iterator[None]:
    """Turns running out of memory, on any device, into one clear line."""
    try:
        yield
    except (RuntimeError, MemoryError) as fault:  # torch's OutOfMemoryError is a RuntimeError
        # on the CPU torch has no error class of its own for it
        words = ("out of memory", "can't allocate memory", "not enough memory")
        if not isinstance(fault, MemoryError) and not any(w in str(fault) for w in words):
            raise
        raise GrounderMemoryError(
            f"The diffusion model {denoiser.name!r} ran out of memory on {denoiser.device} with the recipe"
            f" {recipe.name!r}: use a recipe with a smaller batch than {recipe.batch}, a smaller model or"
            " fewer phrases."
        ) from fault
