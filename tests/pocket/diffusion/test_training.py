"""One step runs, a cut run goes on as if it had not been cut, and the saved folder is a diffusers
pipeline.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from foveate.pocket.diffusion.batches import Latents, vae_hash, write
from foveate.pocket.diffusion.model import (
    LENGTH,
    TINY,
    autoencoder,
    load,
    to_input,
    token_ids,
    train_tokenizer,
)
from foveate.pocket.diffusion.pool import read_shard, shard_paths
from foveate.pocket.diffusion.train import Trainer, tokenizer_for
from foveate.pocket.diffusion.vae import Trainer as VaeTrainer
from foveate.pocket.diffusion.vae import load_vae, loss_of, scaling_factor


def _trainer(pool: Path) -> tuple[Trainer, Latents]:
    coder = load_vae(pool.parent / "vae.pt", TINY)
    return Trainer(tokenizer_for(pool.parent, pool), TINY, 1e-3, seed=3), Latents(pool, coder)


def _same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_resumed_run_equals_one_that_was_not_cut(pool: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole, source = _trainer(pool)
    losses = [whole.update(source, 4, 0.1 * step) for step in range(4)]
    cut, again = _trainer(pool)
    for step in range(2):
        cut.update(again, 4, 0.1 * step)
    torch.save(cut.state(), tmp_path / "cut.pt")
    resumed, source = _trainer(pool)
    resumed.restore(torch.load(tmp_path / "cut.pt", weights_only=True))
    assert [resumed.update(source, 4, 0.1 * step) for step in (2, 3)] == losses[2:]
    assert _same(resumed.model.state_dict(), whole.model.state_dict())
    assert _same(resumed.average.state_dict(), whole.average.state_dict())


def test_training_lowers_the_loss_and_moves_the_average(pool: Path) -> None:
    torch.set_num_threads(1)
    trainer, source = _trainer(pool)
    before = {k: v.clone() for k, v in trainer.average.state_dict().items()}
    losses = np.array([trainer.update(source, 8, 0.0) for _ in range(60)])
    assert (losses[-10:].mean(0) < losses[:10].mean(0)).all() and not _same(
        before, trainer.average.state_dict()
    )


def test_the_exported_folder_is_a_pipeline(pool: Path, tmp_path: Path) -> None:
    trainer, source = _trainer(pool)
    trainer.export(source.vae, tmp_path / "made")
    pipe = load(tmp_path / "made")
    assert isinstance(pipe, StableDiffusionPipeline)
    assert pipe.vae.config.scaling_factor == pytest.approx(0.8)
    picture = pipe("left kidney", num_inference_steps=2, output_type="np").images[0]
    assert picture.shape == (32, 32, 3) and np.isfinite(picture).all()
    ids = token_ids(pipe.tokenizer, ["left kidney"])
    assert torch.equal(ids, token_ids(trainer.tokenizer, ["left kidney"]))
    kept, live = pipe.unet.state_dict(), trainer.average.unet.state_dict()
    assert all(torch.equal(kept[k], live[k].half().float()) for k in live)


def test_latents_are_cached_and_new_shards_taken_in(pool: Path) -> None:
    coder = load_vae(pool.parent / "vae.pt", TINY)
    source = Latents(pool, coder)
    assert source.latents.shape == (12, 4, 8, 8) and len(source.told) == 12
    cached = sorted(p.name for p in (pool.parent / f"latents-{vae_hash(coder)}").glob("*.npy"))
    assert cached == ["000-0000.npy", "000-0001.npy"]
    (pool / "000-0002.npz").write_bytes((pool / "000-0000.npz").read_bytes())
    source.refresh()
    assert len(source.told) == 18 and torch.equal(source.latents[:6], source.latents[12:])
    assert np.array_equal(source.labels[:6], source.labels[12:])


def test_dropout_leaves_out_all_words_or_none(pool: Path) -> None:
    told = read_shard(shard_paths(pool)[0]).told[0]
    rng = np.random.default_rng(0)
    assert write(rng, told, 1.0).text == "" and write(rng, told, 0.0).text != ""


def test_the_autoencoder_learns_and_resumes(pool: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    grey = read_shard(shard_paths(pool)[0]).grey
    whole = VaeTrainer(TINY, 2e-3, seed=1)
    losses = [whole.update(grey, 4, 0.9 if step > 28 else 0.0) for step in range(30)]
    assert np.mean(losses[20:28]) < np.mean(losses[:8])
    cut = VaeTrainer(TINY, 2e-3, seed=1)
    for _ in range(3):
        cut.update(grey, 4, 0.0)
    torch.save(cut.state(), tmp_path / "cut.pt")
    other = VaeTrainer(TINY, 2e-3, seed=1)
    other.restore(torch.load(tmp_path / "cut.pt", weights_only=True))
    assert other.update(grey, 4, 0.0) == losses[3]


def test_reconstruction_error_counts_edges_and_scaling_is_one_over_the_spread() -> None:
    torch.manual_seed(0)
    vae = autoencoder(TINY)
    grey = np.random.default_rng(0).integers(0, 255, (3, 32, 32), dtype=np.uint8)
    assert float(loss_of(vae, to_input(grey).contiguous()).detach()) > 0
    with torch.no_grad():
        latents = vae.encode(to_input(grey)).latent_dist.mean
    assert scaling_factor(vae, grey) == pytest.approx(1 / float(latents.std()), rel=1e-4)


def test_missing_steps_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"diffusion\.vae"):
        load_vae(tmp_path / "none.pt", TINY)
    with pytest.raises(FileNotFoundError, match=r"diffusion\.pool"):
        Latents(tmp_path / "pool", autoencoder(TINY))


@pytest.mark.parametrize("text", ["left kidney", "größe", "日本", "x" * 200, "", "ILL-DEFINED 3 mm"])
def test_any_text_has_ids(text: str) -> None:
    tokenizer = train_tokenizer(["left kidney", "right kidney"] * 3)
    ids = token_ids(tokenizer, [text])
    assert ids.shape == (1, LENGTH) and int(ids.max()) < len(tokenizer)
    assert int(ids[0, 0]) == tokenizer.bos_token_id and int(ids[0, -1]) == tokenizer.eos_token_id
