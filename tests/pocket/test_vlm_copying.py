"""The heads that copy are there before any training."""

from __future__ import annotations

from pathlib import Path

import torch

from foveate.pocket.vlm.copying import seed_copying
from foveate.pocket.vlm.model import build, save
from foveate.pocket.vlm.tokenizer import train_tokenizer
from foveate.pocket.vlm.train import shipped


def _repeated_accuracy(seeded: bool) -> float:
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["Where is the left kidney? The left kidney measures 12.5 mm."] * 4)
    model = build(tokenizer, layers=3).eval()
    if seeded:
        seed_copying(model, tokenizer)
    once = torch.randint(0, 250, (2, 40))
    ids = torch.cat([once, once], 1)
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    said = logits[:, 40:-1].argmax(-1)
    return float((said == ids[:, 41:]).float().mean())


def test_an_untrained_seeded_model_repeats_what_it_saw() -> None:
    assert _repeated_accuracy(seeded=True) > 0.6


def test_an_untrained_plain_model_does_not() -> None:
    assert _repeated_accuracy(seeded=False) < 0.1


def test_finished_weights_can_be_trained_further(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["Where is the left kidney?"] * 4)
    model = build(tokenizer, layers=1)
    save(model, tokenizer, tmp_path)
    again, words = shipped(tmp_path)
    for name, value in model.state_dict().items():
        assert torch.allclose(again.state_dict()[name], value, atol=2e-3), name
    assert words("left kidney")["input_ids"] == tokenizer("left kidney")["input_ids"]
    trained = {
        name.split(".")[2] for name, p in again.named_parameters() if p.requires_grad and "visual" in name
    }
    assert trained == {"merger"}
