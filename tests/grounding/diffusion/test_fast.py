"""`fast`: what it counts, what it shares, and that nothing is left to chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from foveate.tools.grounding.diffusion.locate import heatmaps, locate
from foveate.tools.grounding.diffusion.presence import attention_scores
from foveate.tools.grounding.diffusion.protocol import Denoiser
from foveate.tools.grounding.diffusion.readout import read_prompts, read_sites
from foveate.tools.grounding.diffusion.recipes import Recipe, load_recipe
from foveate.tools.grounding.diffusion.run_fast import noised, run_fast
from foveate.tools.grounding.diffusion.taps import CrossTap, tapped

from .tiny import picture

FAST = replace(
    load_recipe("fast"), sides=(4, 8), propagate=((4, 1), (8, 1)), propagate_mix=0.5, latents=4,
    times=(0.3, 0.5), queries="shared", contrast=("nothing found",), contrast_weight=1.0, batch=16,
    difference="none", template="{phrase}", prior_weight=0.0, presence="none",
)  # fmt: skip
PHRASES = ["left lung opacity", "nodule", "heart"]


@pytest.mark.parametrize(
    ("recipe", "passes"),
    [
        (FAST, 4),
        (replace(FAST, queries="own"), 4 + 4 * (3 + 1)),
        (replace(FAST, queries="own", propagate=()), 4 * (3 + 1)),
        (replace(FAST, queries="own", contrast=(), propagate=()), 4 * 3),
        (replace(FAST, presence="noise"), 4 + 4 * 3),
        (replace(FAST, presence="attention"), 4),
        (replace(FAST, queries="own", difference="gain", difference_weight=0.5), 4 + 4 * (3 + 1)),
        (replace(FAST, latents=3, antithetic=False, batch=2), 3),
    ],
)
def test_forward_passes_are_rows_through_the_unet(recipe: Recipe, passes: int, denoiser: Denoiser) -> None:
    found = locate(picture(), PHRASES, recipe, denoiser)
    assert found.forward_passes == passes
    assert found.maps.shape == (3, 70, 90) and found.maps.dtype == np.float32
    assert found.maps.min() == 0 and found.maps.max() == 1
    assert (found.presence is not None) is (recipe.presence != "none")


@pytest.mark.parametrize("score", ["noise", "attention"])
@pytest.mark.parametrize("queries", ["shared", "own"])
def test_phrases_of_one_call_do_not_change_each_other(queries: str, score: str, denoiser: Denoiser) -> None:
    recipe = replace(FAST, queries=queries, presence=score)  # type: ignore[arg-type]
    together = locate(picture(), PHRASES, recipe, denoiser)
    for i, phrase in enumerate(PHRASES):
        alone = locate(picture(), [phrase], recipe, denoiser)
        np.testing.assert_allclose(alone.maps[0], together.maps[i], atol=1e-4)
        assert alone.presence is not None and together.presence is not None
        assert alone.presence[0] == pytest.approx(together.presence[i], abs=1e-5)


@pytest.mark.parametrize("recipe", [FAST, replace(FAST, queries="own", presence="noise")])
def test_batches_change_nothing(recipe: Recipe, denoiser: Denoiser) -> None:
    whole, pieces = (locate(picture(), PHRASES, replace(recipe, batch=n), denoiser) for n in (64, 3))
    np.testing.assert_allclose(whole.maps, pieces.maps, atol=1e-4)


def test_the_attention_score_is_the_largest_share_given_to_all_words(denoiser: Denoiser) -> None:
    recipe = replace(FAST, presence="attention", sides=(4,), latents=2, contrast=())
    prompts, latent = (
        read_prompts(PHRASES, recipe, denoiser),
        torch.ones(1, denoiser.image.latent_channels, 8, 8),
    )
    found = run_fast(latent, prompts, None, recipe, denoiser)
    start, shares = noised(latent, recipe, denoiser), []
    for site in read_sites(recipe, denoiser):
        tap = CrossTap(
            slice(None), torch.eye(denoiser.max_tokens)[None], prompts.text.states, prompts.text.mask
        )
        with tapped([site], tap):
            denoiser.predict(start.latents, start.times, denoiser.encode_text([""]).repeat(2))
        shares.append(tap.take()[site.index].mean(0))  # (phrases, tokens, places)
    each = torch.stack(shares).mean(0)
    read = (prompts.readout[:, 0] > 0).float()
    expected = (each * read[..., None]).sum(1).amax(1)
    assert 0 < float(expected.max()) <= 1
    np.testing.assert_allclose(attention_scores(found.totals), expected.numpy(), atol=1e-5)


def test_the_same_twice_and_another_with_another_seed(denoiser: Denoiser) -> None:
    one, two, other = (heatmaps(picture(), PHRASES, replace(FAST, seed=s), denoiser) for s in (0, 0, 1))
    assert np.array_equal(one, two) and not np.allclose(one, other, atol=1e-3)


def test_noise_comes_in_opposite_pairs_at_one_time(denoiser: Denoiser) -> None:
    latent = torch.ones(1, denoiser.image.latent_channels, 8, 8)
    made = noised(latent, FAST, denoiser)
    assert torch.equal(made.noise[0::2], -made.noise[1::2])
    assert made.times.tolist() == [300, 300, 500, 500]
    a = denoiser.schedule.alphas[300].sqrt()
    torch.testing.assert_close((made.latents[0] + made.latents[1]) / 2, (a * latent[0]).float())


@pytest.mark.parametrize(
    "changed",
    [
        {"contrast_weight": 0.0}, {"propagate": ()}, {"normalise": "minmax"}, {"sides": (8,)},
        {"contrast": ("",)}, {"location_weight": 4.0}, {"location": "dropped"},
        {"queries": "own", "difference": "magnitude", "difference_weight": 0.5}, {"queries": "own"},
        {"queries": "own", "difference": "gain", "difference_weight": 0.5},
        {"template": "body with {phrase}"},
    ],
)  # fmt: skip
def test_every_setting_has_an_effect(changed: dict[str, object], sd: Denoiser) -> None:
    plain, other = (heatmaps(picture(), PHRASES[:1], r, sd) for r in (FAST, replace(FAST, **changed)))  # type: ignore[arg-type]
    assert np.isfinite(other).all() and not np.allclose(plain, other, atol=1e-4)


def test_the_location_prior_is_off_and_when_on_comes_with_its_baseline(sd: Denoiser) -> None:
    assert load_recipe("fast").prior_weight == 0
    phrases = ["left lung opacity", "heart"]
    off, on = (locate(picture(), phrases, replace(FAST, prior_weight=w), sd) for w in (0.0, 2.0))
    assert off.priors is None and on.priors is not None
    columns = np.arange(90)
    centre = [(m[0].sum(0) * columns).sum() / m[0].sum() for m in (off.maps, on.maps)]
    assert centre[1] > centre[0] + 3  # the patient's left is on the right of the picture
    assert (on.priors[1] == 1).all()
    np.testing.assert_allclose(off.maps[1], on.maps[1], atol=1e-6)


@pytest.mark.parametrize("power", [0.5, 2.0])
def test_a_power_keeps_the_order_of_places(power: float, denoiser: Denoiser) -> None:
    prompts, latent = (
        read_prompts(PHRASES, FAST, denoiser),
        torch.ones(1, denoiser.image.latent_channels, 8, 8),
    )
    plain, bent = (
        run_fast(latent, prompts, None, replace(FAST, power=p), denoiser).heat for p in (1.0, power)
    )
    np.testing.assert_allclose(bent.numpy(), (plain**power).numpy(), atol=1e-5)
