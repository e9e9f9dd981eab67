"""Every denoiser from disk, end to end with every recipe; what is wrong with a folder is said in one line."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foveate.tools.grounding.diffusion.load import load_denoiser
from foveate.tools.grounding.diffusion.locate import locate
from foveate.tools.grounding.diffusion.protocol import Denoiser
from foveate.tools.grounding.diffusion.recipes import load_recipe, make_recipe, recipe_names
from foveate.tools.grounding.errors import GrounderError

from .tiny import describe, picture, save_bundle, save_clip, save_pipeline, save_vae


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_runs_on_every_denoiser(name: str, denoiser: Denoiser) -> None:
    recipe = load_recipe(name)
    recipe = replace(recipe, sides=(4, 8)) if recipe.method == "fast" else replace(recipe, steps=5)
    found = locate(picture(), ["left lung opacity", "nodule"], recipe, denoiser)
    assert found.maps.shape == (2, 70, 90) and np.isfinite(found.maps).all()
    assert found.maps.min() == 0 and found.maps.max() == 1 and found.forward_passes > 0 and found.layers


def test_layers_are_in_the_order_of_computation(sd: Denoiser, monai: Denoiser) -> None:
    """2404.12920's UNet: 0–1 down at half, 2–3 down, 4 middle, 5–7 up at a quarter, 8–10 up at half."""
    assert [site.halvings for site in monai.cross_sites] == [1, 1, 2, 2, 2, 2, 2, 2, 1, 1, 1]
    assert [site.name.split("_")[0] for site in monai.cross_sites] == ["down"] * 4 + ["middle"] + ["up"] * 6
    assert [site.halvings for site in sd.cross_sites] == [0, 1, 2, 1, 1, 0, 0]
    seen: list[str] = []
    hooks = [s.module.register_forward_pre_hook(lambda *_, n=s.name: seen.append(n)) for s in sd.cross_sites]
    sd.predict(torch.randn(1, 4, 8, 8), torch.tensor([3]), sd.encode_text(["nodule"]))
    for hook in hooks:
        hook.remove()
    assert seen == [site.name for site in sd.cross_sites]


def test_configurations_are_read_and_not_assumed(tmp_path: Path, sd: Denoiser, monai: Denoiser) -> None:
    assert (sd.image.side, sd.image.channels, sd.image.low, sd.image.latent_side) == (64, 3, -1.0, 8)
    assert (monai.image.side, monai.image.channels, monai.image.low) == (64, 1, 0.0)
    assert (sd.schedule.prediction, monai.schedule.prediction) == ("epsilon", "v_prediction")
    folder = describe(save_pipeline(tmp_path, vae_channels=1), value_range=[0, 1], window=[40, 400])
    told = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    told["prediction_type"] = "v_prediction"
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(told))
    other = load_denoiser(str(folder), "cpu")
    assert (other.image.channels, other.image.low, other.image.window) == (1, 0.0, (40.0, 400.0))
    assert other.schedule.prediction == "v_prediction"


def test_a_latent_is_the_encoders_mean_times_the_scale(sd: Denoiser, monai: Denoiser) -> None:
    grey = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    vae: Any = sd.vae  # type: ignore[attr-defined]
    with torch.no_grad():
        expected = vae.encode((grey * 2 - 1).repeat(1, 3, 1, 1)).latent_dist.mean * 0.5
        torch.testing.assert_close(sd.encode_image(grey), expected)
        mean = monai.vae.encode(grey)[0]  # type: ignore[attr-defined]
        torch.testing.assert_close(monai.encode_image(grey), mean * 0.3)


def test_old_and_new_bundles_are_the_same_model(tmp_path: Path, monai: Denoiser) -> None:
    other = load_denoiser(str(save_bundle(tmp_path / "new", old=False)), "cpu")
    given = torch.randn(1, 3, 8, 8), torch.tensor([7]), monai.encode_text(["nodule"])
    torch.testing.assert_close(other.predict(*given), monai.predict(*given))


def test_cxr_bert_runs_no_code_of_its_folder_and_minds_padding(bert: Denoiser) -> None:
    encoder = bert.text  # type: ignore[attr-defined]
    assert type(encoder.model).__module__.startswith("transformers.models.bert")
    one, two = (bert.encode_text(p).states[0] for p in (["nodule"], ["nodule", "left lung opacity in heart"]))
    torch.testing.assert_close(one[:3], two[:3])


def broken(pipeline: Path, tmp_path: Path, part: str) -> Path:
    folder = tmp_path / "broken"
    shutil.copytree(pipeline, folder)
    target = folder / part
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    return folder


@pytest.mark.parametrize(
    "part",
    ["unet", "vae", "text_encoder", "tokenizer", "scheduler", "unet/config.json", "vae/config.json",
     "scheduler/scheduler_config.json", "unet/diffusion_pytorch_model.safetensors",
     "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"],
)  # fmt: skip
def test_a_folder_that_lacks_a_part(part: str, pipeline: Path, tmp_path: Path) -> None:
    with pytest.raises(GrounderError) as refused:
        load_denoiser(str(broken(pipeline, tmp_path, part)), "cpu")
    assert "\n" not in str(refused.value) and str(tmp_path) not in str(refused.value)


def test_parts_that_do_not_belong_together(pipeline: Path, tmp_path: Path) -> None:
    shutil.copytree(pipeline, tmp_path / "wide")
    shutil.rmtree(tmp_path / "wide" / "text_encoder")
    save_clip(tmp_path / "wide", width=32)
    with pytest.raises(GrounderError, match="32 wide, but its UNet takes 24"):
        load_denoiser(str(tmp_path / "wide"), "cpu")
    inpainting = save_pipeline(tmp_path / "inpainting", in_channels=9)
    with pytest.raises(GrounderError, match="makes 4 latent channels"):
        load_denoiser(str(inpainting), "cpu")
    plain = save_pipeline(
        tmp_path / "plain", down_block_types=("DownBlock2D",) * 3, up_block_types=("UpBlock2D",) * 3,
        mid_block_type=None,
    )  # fmt: skip
    with pytest.raises(GrounderError, match="no cross-attention"):
        load_denoiser(str(plain), "cpu")


def test_a_picture_must_be_grey_or_colour_for_the_encoder(tmp_path: Path) -> None:
    folder = save_pipeline(tmp_path)
    shutil.rmtree(folder / "vae")
    save_vae(folder / "vae", in_channels=2)
    with pytest.raises(GrounderError, match="2 channels"):
        load_denoiser(str(folder), "cpu")


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "not JSON"), ("[]", "not a JSON object"), ('{"value_range": 3}', "not two numbers"),
     ('{"parts": {"wheel": "x"}}', "unknown parts: wheel"),
     ('{"parts": {"vae": "nowhere"}}', "lacks its vae")],
)  # fmt: skip
def test_a_description_that_is_wrong(text: str, told: str, pipeline: Path, tmp_path: Path) -> None:
    shutil.copytree(pipeline, tmp_path / "told")
    (tmp_path / "told" / "foveate.json").write_text(text)
    with pytest.raises(GrounderError, match=told):
        load_denoiser(str(tmp_path / "told"), "cpu")


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("models/autoencoder.pth", "lacks its image autoencoder"),
        ("models/diffusion_model.pth", "lacks its UNet"),
        ("configs/inference.json", "no network definitions"),
        ("tokenizer", "lacks its tokenizer"),
    ],
)  # fmt: skip
def test_a_bundle_that_lacks_a_part(gone: str, told: str, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(GrounderError, match=told):
        load_denoiser(str(broken(bundle, tmp_path, gone)), "cpu")


def test_a_bundle_without_monai_names_the_extra(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from foveate.tools.grounding.diffusion.monai_ldm import MonaiDenoiser

    monkeypatch.setitem(sys.modules, "monai.networks", None)
    with pytest.raises(GrounderError, match="extra 'monai'"):
        MonaiDenoiser(bundle)


def test_weights_that_change_are_loaded_anew(tmp_path: Path) -> None:
    folder = save_pipeline(tmp_path)
    first = load_denoiser(str(folder), "cpu")
    assert load_denoiser(str(folder), "cpu") is first
    save_pipeline(folder, seed=9)
    assert load_denoiser(str(folder), "cpu") is not first


def test_recipes_are_checked() -> None:
    with pytest.raises(GrounderError, match="no recipe 'magic'; there are: fast, ldm"):
        load_recipe("magic")
    with pytest.raises(GrounderError, match="unknown settings: speed"):
        make_recipe("mine", {"like": "fast", "speed": 3})
    for wrong in ({"latents": 3}, {"template": "x"}, {"window": [0.6, 0.4]}):
        with pytest.raises(GrounderError, match="'mine'"):
            make_recipe("mine", {"like": "fast", **wrong})
    assert load_recipe("ldm-2025").layers == (4, 5, 6, 7) and load_recipe("g2g-bbm").merge


def test_a_recipe_without_layers_to_read(sd: Denoiser) -> None:
    with pytest.raises(GrounderError, match="grids of 2, 4, 8 a side"):
        locate(picture(), ["nodule"], replace(load_recipe("fast"), sides=(64,)), sd)


def test_a_phrase_longer_than_the_encoder(denoiser: Denoiser) -> None:
    with pytest.raises(
        GrounderError, match=rf"tokens; this model's text encoder takes {denoiser.max_tokens}"
    ):
        locate(picture(), ["nodule " * 90], load_recipe("fast"), denoiser)


def test_out_of_memory_is_one_line(sd: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sd, "encode_image", lambda picture: torch.empty(2**52)
    )  # torch's own allocator refuses
    with pytest.raises(GrounderError, match="ran out of memory on cpu with the recipe 'fast'"):
        locate(picture(), ["nodule"], replace(load_recipe("fast"), sides=(4, 8)), sd)


def test_other_faults_are_not_taken_for_it(sd: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sd, "encode_image", lambda picture: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(RuntimeError, match="size"):
        locate(picture(), ["nodule"], replace(load_recipe("fast"), sides=(4, 8)), sd)
