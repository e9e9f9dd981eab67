"""`fast`: what it counts, what it shares, and that nothing is left to chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from foveate.tools.grounding.diffusion.locate import heatmaps, locate
from foveate.tools.grounding.diffusion.protocol import Denoiser
from foveate.tools.grounding.diffusion.recipes import Recipe, load_recipe
from foveate.tools.grounding.diffusion.run_fast import noised

from .tiny import picture

FAST = replace(
    load_recipe("fast"), sides=(4, 8), propagate=((4, 1), (8, 1)), propagate_mix=0.5, latents=4,
    times=(0.3, 0.5), queries="shared", contrast=("nothing found",), contrast_weight=1.0, batch=16,
    difference="none", template="{phrase}", prior_weight=0.0, presence=False,
)  # fmt: skip
PHRASES = ["left lung opacity", "nodule", "heart"]


@pytest.mark.parametrize(
    ("recipe", "passes"),
    [
        (FAST, 4),
        (replace(FAST, queries="own"), 4 * (3 + 1)),
        (replace(FAST, queries="own", contrast=()), 4 * 3),
        (replace(FAST, presence=True), 4 + 4 * 3),
        (replace(FAST, queries="own", difference="gain", difference_weight=0.5), 4 + 4 * (3 + 1)),
        (replace(FAST, latents=3, antithetic=False, batch=2), 3),
    ],
)
def test_forward_passes_are_rows_through_the_unet(recipe: Recipe, passes: int, denoiser: Denoiser) -> None:
    found = locate(picture(), PHRASES, recipe, denoiser)
    assert found.forward_passes == passes
    assert found.maps.shape == (3, 70, 90) and found.maps.dtype == np.float32
    assert found.maps.min() == 0 and found.maps.max() == 1
    assert (found.presence is not None) is recipe.presence


@pytest.mark.parametrize("queries", ["shared", "own"])
def test_phrases_of_one_call_do_not_change_each_other(queries: str, denoiser: Denoiser) -> None:
    recipe = replace(FAST, queries=queries, presence=True)
    together = locate(picture(), PHRASES, recipe, denoiser)
    for i, phrase in enumerate(PHRASES):
        alone = locate(picture(), [phrase], recipe, denoiser)
        # phrases do change self-attention a little where it is read from the first one
        np.testing.assert_allclose(alone.maps[0], together.maps[i], atol=1e-4)
        assert alone.presence is not None and together.presence is not None
        assert alone.presence[0] == pytest.approx(together.presence[i], abs=1e-5)


@pytest.mark.parametrize("recipe", [FAST, replace(FAST, queries="own", presence=True)])
def test_batches_change_nothing(recipe: Recipe, denoiser: Denoiser) -> None:
    whole, pieces = (locate(picture(), PHRASES, replace(recipe, batch=n), denoiser) for n in (64, 3))
    np.testing.assert_allclose(whole.maps, pieces.maps, atol=1e-4)


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
