"""Which tokens of each prompt and which layers of a UNet a recipe reads. Knows no tensors of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from foveate.tools.grounding.diffusion.protocol import Denoiser, EncodedText, Site
from foveate.tools.grounding.diffusion.recipes import Recipe
from foveate.tools.grounding.diffusion.words import check_phrase, tokens_of, words_of
from foveate.tools.grounding.errors import GrounderError


@dataclass(frozen=True)
class Prompts:
    """Phrases as prompts with the weights (prompts, 1, tokens) that read their maps; rows of `readout` are
    weighted means: they sum to 1.
    """

    phrases: tuple[str, ...]
    text: EncodedText
    readout: Tensor


def read_prompts(phrases: Sequence[str], recipe: Recipe, denoiser: Denoiser) -> Prompts:
    """Checked phrases, encoded. Raises GrounderError for a phrase that cannot be grounded."""
    for phrase in phrases:
        check_phrase(phrase)
    text = denoiser.encode_text([recipe.template.replace("{phrase}", phrase) for phrase in phrases])
    rows = [token_weights(phrase, text, i, recipe) for i, phrase in enumerate(phrases)]
    return Prompts(tuple(phrases), text, torch.stack(rows)[:, None].to(text.states))


def token_weights(phrase: str, text: EncodedText, row: int, recipe: Recipe) -> Tensor:
    """(tokens,) weights with sum 1 over the tokens that the recipe reads."""
    tokens, weights = text.tokens[row], torch.zeros(len(text.tokens[row]))
    if recipe.tokens == "all":
        chosen = [(i, 1.0) for i, token in enumerate(tokens) if not token.special]
    else:
        chosen = _content(phrase, text, row, recipe)
    if not chosen:
        raise GrounderError(f"The text encoder keeps no token of the phrase {phrase!r}.")
    for i, weight in chosen:
        weights[i] += weight
    return weights / weights.sum()


def _content(phrase: str, text: EncodedText, row: int, recipe: Recipe) -> list[tuple[int, float]]:
    shift, first = recipe.template.index("{phrase}"), recipe.subtokens == "first"
    words = words_of(phrase)
    content = tokens_of(text.tokens[row], words, "content", shift, first)
    place = tokens_of(text.tokens[row], words, "location", shift, first)
    if not content or recipe.location == "same":
        return [(i, 1.0) for i in [*content, *place]]
    if recipe.location == "dropped" or not place:
        return [(i, 1.0) for i in content]
    # the place's mean beside the content's mean, however many tokens either has
    heavy = [(i, 1.0 / len(content)) for i in content]
    return heavy + [(i, recipe.location_weight / len(place)) for i in place]


def read_sites(recipe: Recipe, denoiser: Denoiser) -> tuple[Site, ...]:
    """The cross-attention layers that the recipe reads. Raises GrounderError when the UNet has none of
    them.
    """
    sites, latent = denoiser.cross_sites, denoiser.image.latent_side
    if recipe.sides:
        chosen = tuple(s for s in sites if s.grid(latent, latent)[0] in recipe.sides)
    elif recipe.layers and len(sites) == recipe.layers_of:
        chosen = tuple(s for s in sites if s.index in recipe.layers)
    elif recipe.halvings:
        chosen = tuple(s for s in sites if s.halvings in recipe.halvings)
    else:
        chosen = sites
    if not chosen:
        grids = sorted({s.grid(latent, latent)[0] for s in sites})
        raise GrounderError(
            f"The recipe {recipe.name!r} finds no layer to read in {denoiser.name!r}, whose cross-attention"
            f" has grids of {', '.join(map(str, grids))} a side."
        )
    return chosen
