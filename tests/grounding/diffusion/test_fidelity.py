"""`ldm` and `g2g-bbm` against plain, slow references that keep every probability."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from foveate.tools.grounding.diffusion.locate import locate
from foveate.tools.grounding.diffusion.picture import Square
from foveate.tools.grounding.diffusion.protocol import Denoiser
from foveate.tools.grounding.diffusion.readout import read_prompts
from foveate.tools.grounding.diffusion.recipes import load_recipe
from foveate.tools.grounding.diffusion.run_g2g import run_g2g

from . import reference
from .tiny import picture

PHRASES = ["left pleural effusion", "nodule"]


def latent(denoiser: Denoiser) -> torch.Tensor:
    grey = torch.from_numpy(picture())
    return denoiser.encode_image(Square(70, 90, denoiser.image.side, "crop").put(grey))


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("kind", ["sd", "monai"])
def test_ldm_is_the_paper(kind: str, share: bool, request: pytest.FixtureRequest) -> None:
    denoiser = request.getfixturevalue(kind)
    steps = 20
    found = locate(picture(), PHRASES, replace(load_recipe("ldm"), steps=steps, share=share), denoiser)
    text, null = denoiser.encode_text(PHRASES), denoiser.encode_text([""])
    run = reference.monai_pass(denoiser.unet) if kind == "monai" else reference.diffusers_pass(denoiser.unet)
    for i, heat in enumerate(found.maps):
        between = [k for k, token in enumerate(text.tokens[i]) if not token.special]
        assert between == list(range(1, 1 + len(between)))
        expected = reference.ldm(
            latent(denoiser), null.states, text.states[[i]], between, run, denoiser.schedule.alphas.float(),
            v_prediction=kind == "monai", layers=[3, 4, 6, 7] if kind == "monai" else [2],
            side=denoiser.image.side, steps=steps, height=70, width=90,
        )  # fmt: skip
        assert expected.max() == 1 and expected.std() > 0.1
        np.testing.assert_allclose(heat, expected, atol=1e-4)
    assert found.forward_passes == (12 + 4 * 2 if share else 20 * 2 * 2)


def test_g2g_bbm_is_the_paper(sd: Denoiser) -> None:
    recipe, steps = replace(load_recipe("g2g-bbm"), steps=10, seed=5), 10
    with torch.inference_mode():
        maps = run_g2g(latent(sd), read_prompts(PHRASES, recipe, sd), recipe, sd)
        generator = torch.Generator().manual_seed(5)
        start = torch.randn(2, 4, 8, 8, generator=generator)
        noise = [torch.randn(1, 4, 8, 8, generator=generator) for _ in range(steps)]
        text, null = sd.encode_text(PHRASES), sd.encode_text([""])
        content = [[1, 2, len("pleural")], [1]]  # the first token of each word; set below from the tokens
        for i, phrase in enumerate(PHRASES):
            starts = {phrase.index(word) for word in phrase.split()}
            content[i] = [k for k, t in enumerate(text.tokens[i]) if not t.special and t.start in starts]
            expected = reference.bbm(
                latent(sd), null.states, text.states[[i]], content[i], reference.diffusers_pass(sd.unet),
                sd.schedule.alphas.float(), noise, start[[i]], steps, 16.0,
            )  # fmt: skip
            assert np.std(expected) > 0.05
            np.testing.assert_allclose(maps[i].numpy(), expected, atol=1e-4)


def test_sharing_one_walk_changes_no_map(denoiser: Denoiser) -> None:
    recipe = replace(load_recipe("ldm-2025"), steps=10)
    shared = locate(picture(), PHRASES, recipe, denoiser)
    alone = locate(picture(), PHRASES, replace(recipe, share=False), denoiser)
    # ten steps of inversion and min-max enlarge what rounding differs between a batch of one and of two
    np.testing.assert_allclose(shared.maps, alone.maps, atol=2e-2)
    assert np.abs(np.asarray(shared.maps) - np.asarray(alone.maps)).mean() < 2e-3
    assert shared.forward_passes == 6 + 2 * 2 and alone.forward_passes == 2 * 2 * 10
