"""A MONAI bundle with a DiffusionModelUNet and an AutoencoderKL as a `Denoiser`: the model of 2404.12920,
`MONAI/cxr_image_synthesis_latent_diffusion_model`.

The networks' definitions are read from the bundle's configs, but nothing in them is run. Weights of MONAI
GenerativeModels (archived) are taken too. Needs the extra "monai". Knows nothing of recipes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from foveate.tools.grounding.diffusion.parts import TOLD, part_folder
from foveate.tools.grounding.diffusion.protocol import EncodedText, ImageSpec, Site
from foveate.tools.grounding.diffusion.schedule import Schedule
from foveate.tools.grounding.diffusion.text import TextEncoder, first_line, read_json
from foveate.tools.grounding.errors import GrounderError

TEXT = "stabilityai/stable-diffusion-2-1-base"
"""Whose tokenizer and text encoder the published bundle was trained with."""
SCALE, LATENT_SIDE = 0.3, 64
"""The published bundle's own sampler has these as numbers; foveate.json may say others."""


class MonaiDenoiser:
    """A frozen DiffusionModelUNet. foveate.json may hold `scale_factor`, `latent_side` and `parts`."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        nets = _networks()
        config = _configs(folder)
        told = read_json(folder / TOLD, "description") if (folder / TOLD).is_file() else {}
        self.name, self.device = folder.name, device
        self.unet: Any = _built(nets.DiffusionModelUNet, config, "UNet", use_flash_attention=True)
        self.vae: Any = _built(nets.AutoencoderKL, config, "image autoencoder")
        _load(self.unet, folder, False, "UNet")
        _load(self.vae, folder, True, "image autoencoder")
        for model in (self.unet, self.vae):
            model.to(device).eval().requires_grad_(False)
        self.text = TextEncoder(
            part_folder(folder, told, "tokenizer", f"{TEXT}#tokenizer"),
            part_folder(folder, told, "text_encoder", f"{TEXT}#text_encoder"),
            device,
        )
        self.max_tokens = self.text.max_tokens
        self.schedule = _schedule(config, self.name)
        self.scale = float(told.get("scale_factor", SCALE))
        self.cross_sites = tuple(_sites(self.unet, "attn2"))
        self.self_sites = tuple(_sites(self.unet, "attn1"))
        self._check_fit()
        side = int(told.get("latent_side", LATENT_SIDE))
        self.image = ImageSpec(side * self._shrink(), 1, 0.0, 1.0, side, self.unet.in_channels)

    @torch.no_grad()
    def encode_image(self, picture: Tensor) -> Tensor:
        """(1, 1, side, side) in [0, 1] → scaled mean latent (1, c, h, w)."""
        mean: Tensor = self.vae.encode(picture.to(self.device))[0]
        return mean * self.scale

    def encode_text(self, prompts: Sequence[str]) -> EncodedText:
        """Hidden states with padding, which this UNet attends to."""
        return self.text.encode(prompts)

    @torch.no_grad()
    def predict(self, latents: Tensor, timesteps: Tensor, text: EncodedText) -> Tensor:
        """The raw output, (rows, c, h, w)."""
        out: Tensor = self.unet(latents, timesteps=timesteps.to(self.device), context=text.states)
        return out

    def _shrink(self) -> int:
        """Pixels a side for one latent."""
        with torch.no_grad():
            tiny = self.vae.encode(torch.zeros(1, self._channels(), 64, 64, device=self.device))[0]
        return 64 // int(tiny.shape[-1])

    def _channels(self) -> int:
        return int(self.vae.encoder.in_channels)

    def _check_fit(self) -> None:
        if not self.cross_sites:
            raise GrounderError(f"The UNet of {self.name!r} has no cross-attention layers to read.")
        to_k: Any = self.cross_sites[0].module.to_k
        width = to_k.in_features
        if width != self.text.width:
            raise GrounderError(
                f"The text encoder of {self.name!r} is {self.text.width} wide, but its UNet takes {width}:"
                " these parts do not belong together."
            )
        if self._channels() != 1:
            raise GrounderError(
                f"The autoencoder of {self.name!r} takes {self._channels()} channels, not grey."
            )


def _networks() -> Any:
    try:
        from monai.networks import nets
    except ImportError as fault:
        raise GrounderError(
            "A MONAI bundle needs the extra 'monai': pip install 'foveate[monai]'."
        ) from fault
    return nets


def _configs(folder: Path) -> dict[str, Any]:
    """All JSON configs of the bundle together."""
    files = sorted((folder / "configs").glob("*.json"))
    merged: dict[str, Any] = {}
    for path in (f for f in files if f.name != "metadata.json"):
        merged.update(read_json(path, "network definitions"))
    if not merged:
        raise GrounderError(f"The MONAI bundle {folder.name!r} has no network definitions in configs.")
    return merged


def _defined(config: dict[str, Any], kind: str, part: str) -> dict[str, Any]:
    """The arguments of the first definition whose target ends in `kind`; plain values and @references
    only.
    """
    for entry in config.values():
        if isinstance(entry, dict) and str(entry.get("_target_", "")).endswith(kind):
            plain = {k: v for k, v in entry.items() if not k.startswith("_")}
            return {
                k: config.get(v[1:], v) if isinstance(v, str) and v[:1] == "@" else v
                for k, v in plain.items()
            }
    raise GrounderError(f"The MONAI bundle lacks its {part}: no {kind} is defined in its configs.")


def _built(kind: Any, config: dict[str, Any], part: str, **added: Any) -> Any:
    told = _defined(config, kind.__name__, part)
    if "num_channels" in told:  # the name in MONAI GenerativeModels
        told["channels"] = told.pop("num_channels")
    try:
        return kind(**{**told, **added})
    except (TypeError, ValueError) as fault:
        raise GrounderError(f"The MONAI bundle's {part} cannot be built: {first_line(fault)}") from fault


def _load(model: Any, folder: Path, autoencoder: bool, part: str) -> None:
    """Weights of this MONAI or of the older package, from the one file of the bundle that is meant."""
    files = [p for p in sorted((folder / "models").glob("*.pt*")) if ("autoencoder" in p.stem) is autoencoder]
    if len(files) != 1:
        raise GrounderError(
            f"The MONAI bundle {folder.name!r} lacks its {part}: one weights file for it was looked for in"
            f" models, {len(files)} are there."
        )
    try:
        state = torch.load(files[0], map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        # it reports on standard output, which belongs to the answer
        with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
            model.load_old_state_dict(dict(state))
    except (OSError, RuntimeError, KeyError, ValueError, AttributeError) as fault:
        raise GrounderError(
            f"The {part} in {files[0].name} does not fit its definition: {first_line(fault)}"
        ) from fault


def _schedule(config: dict[str, Any], name: str) -> Schedule:
    told = _defined(config, "Scheduler", "noise schedule")
    steps = int(told.get("num_train_timesteps", 1000))
    start, end = float(told.get("beta_start", 1e-4)), float(told.get("beta_end", 2e-2))
    kind = str(told.get("beta_schedule", told.get("schedule", "linear_beta"))).removesuffix("_beta")
    if kind not in ("linear", "scaled_linear"):
        raise GrounderError(
            f"The noise schedule {kind!r} of {name!r} is not known; linear and scaled_linear are."
        )
    power = 2 if kind == "scaled_linear" else 1
    betas = torch.linspace(start ** (1 / power), end ** (1 / power), steps, dtype=torch.float64) ** power
    return Schedule((1 - betas).cumprod(0), told.get("prediction_type", "epsilon"))


def _sites(unet: Any, kind: str) -> Iterator[Site]:
    """Attention layers in the order of computation: down, middle, up."""
    index = 0
    for prefix, block, halvings in _blocks(unet):
        for name, module in block.named_modules():
            if name.rsplit(".", 1)[-1] == kind:
                yield Site(index, f"{prefix}.{name}", halvings, module, project)
                index += 1


def _blocks(unet: Any) -> Iterator[tuple[str, nn.Module, int]]:
    halvings = 0
    for i, block in enumerate(unet.down_blocks):
        yield f"down_blocks.{i}", block, halvings
        halvings += getattr(block, "downsampler", None) is not None
    yield "middle_block", unet.middle_block, halvings
    for i, block in enumerate(unet.up_blocks):
        yield f"up_blocks.{i}", block, halvings
        halvings -= getattr(block, "upsampler", None) is not None


def project(module: Any, hidden: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
    """Queries and keys of MONAI's CrossAttentionBlock or SABlock; see `protocol.Project`."""
    if getattr(module, "use_combined_linear", False):
        queries, keys = (module.input_rearrange(module.qkv(hidden))[i] for i in (0, 1))
    else:
        queries, keys = (
            module.input_rearrange(module.to_q(hidden)),
            module.input_rearrange(module.to_k(context)),
        )
    return queries.float() * module.scale, keys.float()
