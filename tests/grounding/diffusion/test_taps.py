"""Laws of the taps: they read the true probabilities and leave no trace."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from foveate.tools.grounding.diffusion import diffusers_unet, taps
from foveate.tools.grounding.diffusion.locate import Counted, locate
from foveate.tools.grounding.diffusion.protocol import Denoiser, EncodedText, Site
from foveate.tools.grounding.diffusion.recipes import load_recipe
from foveate.tools.grounding.diffusion.taps import CrossTap, SelfTap, tapped

from .reference import diffusers_pass, monai_pass
from .tiny import picture

PROMPTS = ["left lung opacity", ""]


def inputs(denoiser: Denoiser) -> tuple[Tensor, Tensor, EncodedText]:
    torch.manual_seed(1)
    spec = denoiser.image
    latents = torch.randn(2, spec.latent_channels, spec.latent_side, spec.latent_side)
    return latents, torch.tensor([400, 400]), denoiser.encode_text(PROMPTS)


def every_token(denoiser: Denoiser) -> Tensor:
    return torch.eye(denoiser.max_tokens)[None]


def test_the_tapped_output_is_the_untapped_one(denoiser: Denoiser) -> None:
    given = inputs(denoiser)
    plain = denoiser.predict(*given)
    cross, self_tap = CrossTap(slice(None), every_token(denoiser)), SelfTap(slice(None), 8)
    with tapped(denoiser.cross_sites, cross), tapped(denoiser.self_sites, self_tap):
        read = denoiser.predict(*given)
    assert torch.equal(plain, read)
    assert cross.found.keys() == {site.index for site in denoiser.cross_sites}
    assert {8, 4} & self_tap.means().keys()


def test_probabilities_are_those_of_the_plain_path(denoiser: Denoiser) -> None:
    latents, times, text = inputs(denoiser)
    path = monai_pass if "Monai" in type(denoiser).__name__ else diffusers_pass
    expected = path(denoiser.unet)(latents, 400, text.states)[1]  # type: ignore[attr-defined]
    tap = CrossTap(slice(None), every_token(denoiser))
    with tapped(denoiser.cross_sites, tap):
        denoiser.predict(latents, times, text)
    assert len(expected) == len(denoiser.cross_sites)
    for site, probabilities in zip(denoiser.cross_sites, expected, strict=True):
        torch.testing.assert_close(
            tap.found[site.index], probabilities.mean(1).transpose(1, 2), atol=1e-4, rtol=1e-3
        )


def test_probabilities_sum_to_one(denoiser: Denoiser) -> None:
    tap, self_tap = CrossTap(slice(None), torch.ones(1, 1, denoiser.max_tokens)), SelfTap(slice(None), 8)
    with tapped(denoiser.cross_sites, tap), tapped(denoiser.self_sites, self_tap):
        denoiser.predict(*inputs(denoiser))
    for maps in tap.take().values():
        torch.testing.assert_close(maps, torch.ones_like(maps))
    for matrix in self_tap.means().values():
        torch.testing.assert_close(matrix.sum(1), torch.ones(len(matrix)))


@pytest.mark.parametrize("row", [0, 1])
def test_a_row_of_a_batch_is_read_as_if_alone(denoiser: Denoiser, row: int) -> None:
    """DAAM's fault: halves of the head-batched rows taken for halves of the batch."""
    latents, times, text = inputs(denoiser)
    alone, among = (CrossTap(rows, every_token(denoiser)) for rows in (slice(None), slice(row, row + 1)))
    with tapped(denoiser.cross_sites, among):
        denoiser.predict(latents, times, text)
    with tapped(denoiser.cross_sites, alone):
        denoiser.predict(latents[[row]], times[[row]], text.rows([row]))
    for index, maps in alone.take().items():
        torch.testing.assert_close(among.found[index], maps, atol=1e-6, rtol=1e-4)


def test_small_chunks_change_nothing(denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for chunk in (2**21, 64):
        monkeypatch.setattr(taps, "CHUNK", chunk)
        tap = CrossTap(slice(None), every_token(denoiser))
        with tapped(denoiser.cross_sites, tap):
            denoiser.predict(*inputs(denoiser))
        found.append(tap.take())
    for index in found[0]:
        torch.testing.assert_close(found[0][index], found[1][index])


def test_contexts_read_other_texts_at_the_same_queries(denoiser: Denoiser) -> None:
    """At the first layer the queries do not depend on the text yet: both ways agree there, and only there."""
    latents, times, text = inputs(denoiser)
    shared = CrossTap(slice(None), every_token(denoiser), contexts=text.states)
    own = CrossTap(slice(None), every_token(denoiser))
    with tapped(denoiser.cross_sites, shared):
        denoiser.predict(latents[:1], times[:1], text.rows([1]))
    with tapped(denoiser.cross_sites, own):
        denoiser.predict(latents[:1].expand(2, -1, -1, -1), times, text)
    torch.testing.assert_close(shared.found[0][0], own.found[0], atol=1e-6, rtol=1e-4)
    last = denoiser.cross_sites[-1].index
    torch.testing.assert_close(shared.found[last][0, 1], own.found[last][1], atol=1e-6, rtol=1e-4)
    assert not torch.allclose(shared.found[last][0, 0], own.found[last][0], atol=1e-6)


def test_nothing_stays_behind_after_an_error(denoiser: Denoiser) -> None:
    class Fails:
        def see(self, site: Site, hidden: Tensor, context: Tensor | None, bias: Tensor | None) -> None:
            raise RuntimeError("in the middle")

    sites = (*denoiser.cross_sites, *denoiser.self_sites)
    before = [getattr(site.module, "processor", None) for site in sites]
    with pytest.raises(RuntimeError, match="in the middle"), tapped(sites, Fails()):
        denoiser.predict(*inputs(denoiser))
    assert [getattr(site.module, "processor", None) for site in sites] == before
    assert not any(site.module._forward_pre_hooks for site in sites)


@pytest.mark.parametrize(
    "options",
    [
        {}, {"norm_num_groups": 4, "residual_connection": True, "rescale_output_factor": 2.0},
        {"cross_attention_norm": "layer_norm"}, {"qk_norm": "layer_norm"}, {"scale_qk": False},
        {"bias": True},
    ],
)  # fmt: skip
@pytest.mark.parametrize("four", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_every_path_through_a_layer(options: dict[str, Any], four: bool, masked: bool) -> None:
    """Group norm, residual, masks, norms of keys: with these probabilities the values give the output."""
    from diffusers.models.attention_processor import Attention

    torch.manual_seed(0)
    layer: Any = Attention(8, cross_attention_dim=6, heads=2, dim_head=4, **options).eval()
    hidden, text = torch.randn(2, 8, 9), torch.randn(2, 5, 6)
    given = hidden.view(2, 8, 3, 3) if four else hidden.transpose(1, 2)
    mask = torch.tensor([[[0.0, 0, 0, -1e4, -1e4]], [[0.0, 0, 0, 0, 0]]]) if masked else None
    site = Site(0, "alone", 0, layer, diffusers_unet.project)
    tap = CrossTap(slice(None), torch.eye(5)[None])
    with tapped([site], tap), torch.no_grad():
        out = layer(given, encoder_hidden_states=text, attention_mask=mask)
        # with values that are the same for both heads, the mean of the heads makes the output
        layer.to_v.weight.data[4:] = layer.to_v.weight.data[:4]
        layer.to_out[0].weight.data[:, 4:] = layer.to_out[0].weight.data[:, :4]
        if layer.to_v.bias is not None:
            layer.to_v.bias.data[4:] = layer.to_v.bias.data[:4]
        out = layer(given, encoder_hidden_states=text, attention_mask=mask)
        probabilities = tap.take()[0].transpose(1, 2)
        context = text if layer.norm_cross is None else layer.norm_cross(text)
        mixed = 2 * probabilities @ layer.to_v(context)[..., :4] @ layer.to_out[0].weight[:, :4].T
        mixed = mixed + layer.to_out[0].bias
        mixed = mixed.transpose(1, 2).view_as(given) if four else mixed
        expected = (mixed + (given if layer.residual_connection else 0)) / layer.rescale_output_factor
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-4)


def test_a_denoisers_own_text_mask_is_respected(sd: Denoiser) -> None:
    latents, times, text = inputs(sd)
    mask = torch.arange(sd.max_tokens)[None] < torch.tensor([[6], [2]])
    masked = EncodedText(text.states, text.tokens, mask)
    tap, shared = CrossTap(slice(None), every_token(sd)), CrossTap(slice(None), every_token(sd))
    shared.contexts, shared.masks = masked.states, mask
    with tapped(sd.cross_sites, tap), tapped(sd.cross_sites, shared):
        sd.predict(latents, times, masked)
    for maps in tap.take().values():
        assert maps[0, 6:].max() < 1e-6 and maps[1, 2:].max() < 1e-6 and maps[0, :6].min() > 0
    assert shared.found[0][:, 0, 6:].max() == 0
    torch.testing.assert_close(shared.found[0][0, 0], tap_first(sd, latents, times, masked))


def tap_first(sd: Denoiser, latents: Tensor, times: Tensor, text: EncodedText) -> Tensor:
    tap = CrossTap(slice(0, 1), every_token(sd))
    with tapped(sd.cross_sites, tap):
        sd.predict(latents, times, text)
    return tap.found[0][0]


@pytest.mark.parametrize(("name", "early", "late"), [("ldm", 12, 23), ("g2g-bbm", 12, 57)])
def test_memory_does_not_grow_with_steps(
    name: str, early: int, late: int, sd: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All tensors alive at an early pass of the window and at a late one: the same, within small change."""
    held: dict[int, int] = {}
    count = 0

    def watched(self: Counted, *given: Any) -> Tensor:
        nonlocal count
        count += 1
        if count in (early, late):
            found = [o for o in gc.get_objects() if type(o) is Tensor]
            held[count] = sum(o.numel() * o.element_size() for o in found)
        return self.inner.predict(*given)

    monkeypatch.setattr(Counted, "predict", watched)
    locate(
        picture(), ["left lung opacity"], replace(load_recipe(name), steps=20 if "g2g" in name else 40), sd
    )
    assert held[late] <= held[early] + 4096
