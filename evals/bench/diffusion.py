"""Cost of the diffusion recipes beside their targets: `python -m foveate.evals.bench.diffusion`.

`fast` against `ldm`, same weights, same machine, one run. `ldm` is timed as published (two rows at every one
of its 334 steps, each phrase anew) and as it runs here (one walk for all phrases, ended with the window). A
forward pass is one row, a latent with a prompt, through the UNet. Memory is measured on a UNet of Stable
Diffusion's shape and small width at 512 px, made on the spot: what is read does not depend on width.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from foveate.evals.bench.rows import Row, tell
from foveate.tools.grounding.diffusion.locate import Located, locate
from foveate.tools.grounding.diffusion.protocol import Denoiser
from foveate.tools.grounding.diffusion.recipes import Recipe, load_recipe

PHRASES = (
    "left lung", "right lung", "liver", "spleen", "left kidney", "right kidney", "heart", "aorta", "vertebra",
    "stomach",
)  # fmt: skip


@dataclass(frozen=True)
class Timed:
    """One call of a recipe."""

    seconds: float
    passes: int


def timed(recipe: Recipe, phrases: Sequence[str], denoiser: Denoiser, runs: int = 1) -> Timed:
    """The quickest of some runs; a recipe's passes are the same in each."""
    picture, best, found = _picture(denoiser), np.inf, None
    for _ in range(runs):
        began = time.perf_counter()
        found = locate(picture, phrases, recipe, denoiser)
        best = min(best, time.perf_counter() - began)
    assert isinstance(found, Located)
    return Timed(best, found.forward_passes)


def cost_rows(denoiser: Denoiser, phrases: Sequence[str]) -> list[Row]:
    """Passes and wall time for one phrase and for all."""
    fast, ldm = load_recipe("fast"), load_recipe("ldm")
    published = replace(ldm, share=False)
    timed(fast, phrases[:1], denoiser)  # the first call of a process pays for more than itself
    rows, one, many = [], phrases[:1], phrases
    for asked in (one, many) if len(many) > 1 else (one,):
        count = f"{len(asked)} phrase{'s' * (len(asked) > 1)}"
        quick, ours, paper = (
            timed(fast, asked, denoiser, runs=3), timed(ldm, asked, denoiser),
            timed(published, asked, denoiser),
        )  # fmt: skip
        for name, cost in (("fast", quick), ("ldm, one walk for all", ours), ("ldm, as published", paper)):
            rows.append(Row(f"{count}: {name}, forward passes", cost.passes, "rows"))
            rows.append(Row(f"{count}: {name}, wall time", cost.seconds, "s"))
        passes, wall = (25.0, 20.0) if len(asked) == 1 else (None, 60.0)
        rows += _ratios(f"{count}: ldm as published / fast", paper, quick, passes, wall)
        rows += _ratios(f"{count}: ldm with one walk / fast", ours, quick, None, None)
    return rows


def _ratios(name: str, slow: Timed, quick: Timed, passes: float | None, wall: float | None) -> list[Row]:
    return [
        Row(f"{name}, forward passes", slow.passes / quick.passes, "x", at_least=passes),
        Row(f"{name}, wall time", slow.seconds / quick.seconds, "x", at_least=wall),
    ]


def memory_rows(denoiser: Denoiser) -> list[Row]:
    """Peak resident memory of a whole `ldm` run above that of bare passes through the same UNet."""
    import torch

    image, text = torch.zeros(1, 4, 64, 64), denoiser.encode_text([PHRASES[0]])
    run = replace(load_recipe("ldm"), steps=30)  # memory does not grow with steps, which the tests hold it to
    locate(_picture(denoiser), PHRASES[:1], replace(run, steps=10), denoiser)
    _reset_peak()
    denoiser.encode_image(torch.rand(1, 1, 512, 512))
    for _ in range(4):
        denoiser.predict(image, torch.tensor([500]), text)
    bare = _peak_mib()
    _reset_peak()
    locate(_picture(denoiser), PHRASES[:1], run, denoiser)
    extra = max(0.0, _peak_mib() - bare)
    layers = len(denoiser.cross_sites)
    return [Row(f"ldm at 512 px, {layers} cross-attention layers, peak extra memory", extra, "MiB", 64.0)]


def sd_shaped(folder: Path) -> Denoiser:
    """Stable Diffusion 1.x's UNet, autoencoder and text encoder in small widths: latents 64²."""
    import diffusers
    import torch

    from foveate.tools.grounding.diffusion.load import load_denoiser

    torch.manual_seed(0)
    kinds: Any = diffusers
    kinds.UNet2DConditionModel(
        sample_size=64, block_out_channels=(32, 32, 32, 32), cross_attention_dim=32, attention_head_dim=8,
        norm_num_groups=8,
    ).save_pretrained(folder / "unet")  # fmt: skip
    kinds.AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), norm_num_groups=4, latent_channels=4, sample_size=512,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        mid_block_add_attention=False,
    ).save_pretrained(folder / "vae")  # fmt: skip
    scheduler = kinds.DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    scheduler.save_pretrained(folder / "scheduler")
    _save_text(folder)
    return load_denoiser(str(folder), "cpu")


def _save_text(folder: Path) -> None:
    """CLIP of width 32 with 77 tokens, which spells every word."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = [chr(c) for c in range(97, 123)]
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer: Any = CLIPTokenizer(vocab={t: i for i, t in enumerate(words)}, merges=[], model_max_length=77)
    tokenizer.save_pretrained(folder / "tokenizer")
    config = CLIPTextConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, bos_token_id=52, eos_token_id=53, pad_token_id=53,
    )  # fmt: skip
    model: Any = CLIPTextModel(config)
    model.save_pretrained(folder / "text_encoder")


def _picture(denoiser: Denoiser) -> np.ndarray[Any, np.dtype[np.float32]]:
    side = denoiser.image.side
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    return np.asarray(np.exp(-((x - 0.4) ** 2 + (y - 0.6) ** 2) * 8), np.float32)


def _reset_peak() -> None:
    """Starts the process's peak resident memory anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def _peak_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write `diffusion.json`."""
    from foveate.tools.grounding.diffusion.load import load_denoiser
    from foveate.tools.grounding.registry import embedded_weights as default_weights

    parser = argparse.ArgumentParser(prog="python -m foveate.evals.bench.diffusion", description=__doc__)
    parser.add_argument(
        "--model", default=str(default_weights("diffusion")), help="what the recipes are timed on"
    )
    parser.add_argument("--phrases", type=int, default=len(PHRASES), choices=range(1, len(PHRASES) + 1))
    parser.add_argument("--no-memory", action="store_true", help="leave the memory of ldm out")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    if options.model == parser.get_default("model") and not Path(options.model).is_dir():
        parser.error("pocket-diffusion is not trained here; name a model with --model")
    rows = cost_rows(load_denoiser(options.model), PHRASES[: options.phrases])
    if not options.no_memory:
        with tempfile.TemporaryDirectory() as folder:
            rows += memory_rows(sd_shaped(Path(folder)))
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end, model {Path(options.model).name}"
    )
    tell(rows, options.out, "diffusion")


if __name__ == "__main__":
    main()
