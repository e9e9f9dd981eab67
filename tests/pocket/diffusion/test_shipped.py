"""The shipped weights: small enough, loadable by diffusers and by the grounder, and as the sums say."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from foveate.pocket.anatomy import structures
from foveate.pocket.diffusion.model import LATENT, LENGTH, load, token_ids
from foveate.pocket.diffusion.train import WEIGHTS


@pytest.fixture(scope="module")
def pipe() -> object:
    torch.set_num_threads(1)
    return load(WEIGHTS)


def test_the_weights_are_small_and_as_the_sums_say() -> None:
    files = sorted(WEIGHTS.rglob("*.safetensors"))
    assert len(files) == 3 and sum(f.stat().st_size for f in files) <= 24 * 2**20
    sums = dict(reversed(line.split()) for line in (WEIGHTS.parent / "SHA256SUMS").read_text().splitlines())
    for file in files:
        told = sums[file.relative_to(WEIGHTS.parent).as_posix()]
        assert sha256(file.read_bytes()).hexdigest() == told


def test_one_prediction_has_the_latents_shape(pipe: object) -> None:
    parts = (pipe.unet, pipe.text_encoder, pipe.vae)  # type: ignore[attr-defined]
    assert 3e6 <= sum(p.numel() for part in parts for p in part.parameters()) <= 1e7
    ids = token_ids(pipe.tokenizer, ["left kidney"])  # type: ignore[attr-defined]
    with torch.no_grad():
        states = parts[1](input_ids=ids).last_hidden_state
        made = parts[0](torch.zeros(1, 4, LATENT, LATENT), torch.tensor([400]), states).sample
        picture = parts[2].decode(torch.zeros(1, 4, LATENT, LATENT)).sample
    assert states.shape[1] == LENGTH and made.shape == (1, 4, LATENT, LATENT)
    assert picture.shape == (1, 3, 4 * LATENT, 4 * LATENT) and torch.isfinite(made).all()


def test_words_of_structures_are_whole_tokens(pipe: object) -> None:
    vocabulary = set(pipe.tokenizer.get_vocab())  # type: ignore[attr-defined]
    words = {word for item in structures() for word in item.name.split()}
    assert {w for w in words if f"{w}</w>" not in vocabulary} == set()


def test_a_caption_changes_what_is_predicted(pipe: object) -> None:
    noise = torch.randn(1, 4, LATENT, LATENT, generator=torch.Generator().manual_seed(0))
    made = []
    with torch.no_grad():
        for text in ("lung window: lungs", "bone window: hip bones"):
            ids = token_ids(pipe.tokenizer, [text])  # type: ignore[attr-defined]
            states = pipe.text_encoder(input_ids=ids).last_hidden_state  # type: ignore[attr-defined]
            made.append(pipe.unet(noise, torch.tensor([900]), states).sample.numpy())  # type: ignore[attr-defined]
    assert float(np.abs(made[0] - made[1]).mean()) > 0.01


def test_the_folder_says_what_it_is_and_what_is_owed() -> None:
    text = (Path(WEIGHTS) / "README.md").read_text()
    for owed in ("LIDC-IDRI", "CC BY 3.0", "TotalSegmentator", "foveate.pocket.diffusion.train"):
        assert owed in text
