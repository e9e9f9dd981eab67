"""Tiny models on disk, one of each kind for the whole session."""

from __future__ import annotations

from pathlib import Path

import pytest

from foveate.tools.grounding.diffusion.load import load_denoiser
from foveate.tools.grounding.diffusion.protocol import Denoiser

from .tiny import describe, save_bundle, save_cxr_bert, save_pipeline


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pipeline(tmp_path_factory.mktemp("diffusers") / "tiny-sd")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bundle(tmp_path_factory.mktemp("monai") / "tiny-bundle")


@pytest.fixture(scope="session")
def cxr_bert(pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """UNet from one folder, VAE and scheduler from another, a BERT from a third, as in 2507.12236."""
    folder = tmp_path_factory.mktemp("g2g")
    save_pipeline(folder / "hub", seed=3)
    (folder / "hub" / "unet").rename(folder / "hub" / "unet_ema")
    save_cxr_bert(folder / "bert")
    parts = {
        "unet": ["hub#unet", "hub#unet_ema"], "vae": f"{pipeline}#vae", "scheduler": f"{pipeline}#scheduler",
        "text_encoder": "bert", "tokenizer": "bert",
    }  # fmt: skip
    return describe(folder, parts=parts)


@pytest.fixture(scope="session")
def sd(pipeline: Path) -> Denoiser:
    return load_denoiser(str(pipeline), "cpu")


@pytest.fixture(scope="session")
def monai(bundle: Path) -> Denoiser:
    return load_denoiser(str(bundle), "cpu")


@pytest.fixture(scope="session")
def bert(cxr_bert: Path) -> Denoiser:
    return load_denoiser(str(cxr_bert), "cpu")


@pytest.fixture(params=["sd", "monai", "bert"])
def denoiser(request: pytest.FixtureRequest) -> Denoiser:
    """Each kind in turn."""
    found: Denoiser = request.getfixturevalue(request.param)
    return found
