"""The words' losses: least where attention lies in the mask, drawn there by their gradient, and nothing asked
of words that name nothing.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.pocket.anatomy import part_ids, structure
from foveate.pocket.diffusion.captions import Caption, Named
from foveate.pocket.diffusion.grounding import Recorder, Spans, grounding_loss, spans_of
from foveate.pocket.diffusion.model import LENGTH, TINY, train_tokenizer, unet

TEXT = "the left kidney and spleen"
TOLD = Caption(TEXT, (Named(0, 15, "left kidney", True), Named(20, 26, "spleen", False)))


def _labels() -> np.ndarray:
    labels = np.zeros((1, 32, 32), np.uint8)
    labels[0, 8:16, 16:24] = part_ids(structure("left kidney"))[0]
    labels[0, 20:24, 4:8] = part_ids(structure("spleen"))[0]
    return labels


def _spans() -> Spans:
    return spans_of([TOLD], _labels(), train_tokenizer([TEXT] * 4), 8)


def test_spans_hold_the_names_tokens_and_their_share_of_each_place() -> None:
    spans = _spans()
    assert spans.rows.tolist() == [0, 0]
    # <start> the left kidney and spleen <end>: "the" is no part of the name
    assert spans.tokens[0].nonzero()[:, 0].tolist() == [2, 3]
    assert spans.tokens[1].nonzero()[:, 0].tolist() == [5]
    mask = torch.zeros(8, 8)
    mask[2:4, 4:6] = 1
    assert torch.equal(spans.masks[0], mask)
    assert spans.masks[1].sum() == 0  # said to be there, but it is not


def test_a_name_cut_off_by_the_length_asks_nothing() -> None:
    text = "ribs " * 40 + "spleen"
    told = Caption(text, (Named(len(text) - 6, len(text), "spleen", True),))
    spans = spans_of([told, Caption("")], _labels().repeat(2, 0), train_tokenizer([TEXT] * 4), 8)
    assert len(spans.rows) == 0
    assert grounding_loss([torch.rand(2, 64, LENGTH)], spans) == (0, 0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_attention_in_the_mask_costs_least(seed: int) -> None:
    spans, generator = _spans(), torch.Generator().manual_seed(seed)
    anywhere = torch.rand(1, 64, LENGTH, generator=generator).softmax(-1)
    ideal = torch.full((1, 64, LENGTH), 1e-6)
    inside = spans.masks[0].flatten() > 0
    ideal[0, inside, 2] = ideal[0, inside, 3] = 0.5
    best, other = grounding_loss([ideal], spans), grounding_loss([anywhere], spans)
    assert best[0] < 1e-4 and best[1] < 1e-2
    assert all(a < b for a, b in zip(best, other, strict=True)) and other[0] <= 1


def test_an_absent_name_is_pushed_away_everywhere() -> None:
    logits = torch.zeros(1, 64, LENGTH, requires_grad=True)
    grounding_loss([logits.softmax(-1)], _spans())[1].backward()
    assert logits.grad is not None and (logits.grad[0, :, 5] > 0).all()  # descent lowers it
    inside = _spans().masks[0].flatten() > 0
    assert (logits.grad[0, inside, 2] < 0).all() and (logits.grad[0, ~inside, 2] > 0).all()


def test_recording_changes_no_output_and_keeps_every_cross_attention() -> None:
    torch.manual_seed(0)
    network = unet(TINY).eval()
    given_to = torch.randn(2, 4, 8, 8), torch.tensor([5, 700]), torch.randn(2, LENGTH, TINY.text)
    network.set_attn_processor(AttnProcessor())
    plain = network(*given_to).sample
    recorder = Recorder(network)
    assert torch.allclose(network(*given_to).sample, plain, atol=1e-6)
    maps = recorder.take()
    layers = sum(name.endswith("attn2") for name, _ in network.named_modules())
    assert len(maps) == layers and recorder.take() == []
    for each in maps:
        assert each.shape[0] == 2 and each.shape[2] == LENGTH
        assert each.sum(-1).detach().numpy() == pytest.approx(1, abs=1e-5)
