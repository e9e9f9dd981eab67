"""Any diffusers pipeline with a UNet2DConditionModel as a `Denoiser`: Stable Diffusion 1.x and 2.x, RoentGen,
CXR-BERT's, pocket-diffusion.

Every size is read from the configurations. Knows nothing of recipes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from foveate.tools.grounding.diffusion.parts import Parts
from foveate.tools.grounding.diffusion.protocol import EncodedText, ImageSpec, Site
from foveate.tools.grounding.diffusion.schedule import Schedule
from foveate.tools.grounding.diffusion.text import TextEncoder, first_line, need_weights, read_json
from foveate.tools.grounding.errors import GrounderError


class DiffusersDenoiser:
    """A frozen UNet2DConditionModel with AutoencoderKL, text encoder and schedule."""

    def __init__(self, parts: Parts, device: str = "cpu") -> None:
        self.name, self.device = parts.name, device
        self.unet = load_part("UNet2DConditionModel", parts.unet, "UNet", device)
        self.vae = load_part("AutoencoderKL", parts.vae, "image autoencoder", device)
        self.text = TextEncoder(parts.tokenizer, parts.text_encoder, device)
        self.schedule = load_schedule(parts.scheduler)
        self.max_tokens = self.text.max_tokens
        self._check_fit()
        self.image = _image_spec(self.unet, self.vae, parts)
        self.cross_sites = tuple(_sites(self.unet, "attn2", cross=True))
        self.self_sites = tuple(_sites(self.unet, "attn1", cross=False))
        if not self.cross_sites:
            raise GrounderError(f"The UNet of {self.name!r} has no cross-attention layers to read.")

    @torch.no_grad()
    def encode_image(self, picture: Tensor) -> Tensor:
        """(1, 1, side, side) in [0, 1] → scaled mean latent (1, c, h, w)."""
        spec = self.image
        given = (picture * (spec.high - spec.low) + spec.low).expand(-1, spec.channels, -1, -1)
        mean: Tensor = self.vae.encode(given.to(self.device)).latent_dist.mode()
        shift = getattr(self.vae.config, "shift_factor", None) or 0.0
        latent: Tensor = (mean - shift) * self.vae.config.scaling_factor
        return latent

    def encode_text(self, prompts: Sequence[str]) -> EncodedText:
        """Hidden states as the pipeline gives them to the UNet: padding is attended to, as in training."""
        return self.text.encode(prompts)

    @torch.no_grad()
    def predict(self, latents: Tensor, timesteps: Tensor, text: EncodedText) -> Tensor:
        """The raw output, (rows, c, h, w)."""
        mask = None if text.mask is None else text.mask.to(self.device)
        out: Tensor = self.unet(
            latents, timesteps.to(self.device), text.states, encoder_attention_mask=mask, return_dict=False
        )[0]
        return out

    def _check_fit(self) -> None:
        config, text = self.unet.config, self.text.width
        if config.addition_embed_type is not None or config.class_embed_type is not None:
            raise GrounderError(
                f"The UNet of {self.name!r} wants more than a text (as SDXL does); only text-conditioned"
                " models work."
            )
        if config.cross_attention_dim != text:
            raise GrounderError(
                f"The text encoder of {self.name!r} is {text} wide, but its UNet takes"
                f" {config.cross_attention_dim}: these parts do not belong together."
            )
        if self.vae.config.in_channels not in (1, 3):
            raise GrounderError(
                f"The autoencoder of {self.name!r} takes {self.vae.config.in_channels} channels: neither"
                " grey nor colour."
            )
        if config.in_channels != self.vae.config.latent_channels:
            raise GrounderError(
                f"The autoencoder of {self.name!r} makes {self.vae.config.latent_channels} latent channels,"
                f" but its UNet takes {config.in_channels}: these parts do not belong together."
            )


def load_part(kind: str, folder: Path, part: str, device: str) -> Any:
    """One diffusers model, fp32, frozen. Raises GrounderError naming the part."""
    import diffusers

    read_json(folder / "config.json", part)
    need_weights(folder, ("diffusion_pytorch_model*.safetensors", "diffusion_pytorch_model*.bin"), part)
    try:
        model = getattr(diffusers, kind).from_pretrained(
            folder, local_files_only=True, torch_dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as fault:
        raise GrounderError(
            f"The {part} in {folder.parent.name!r} cannot be loaded: {first_line(fault)}"
        ) from fault
    return model.to(device).eval().requires_grad_(False)


def load_schedule(folder: Path) -> Schedule:
    """α̅ and the prediction type of a diffusers scheduler folder."""
    from diffusers import DDIMScheduler

    config = read_json(folder / "scheduler_config.json", "noise schedule")
    known = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas",
             "prediction_type", "rescale_betas_zero_snr")  # fmt: skip
    try:
        scheduler: Any = cast(Any, DDIMScheduler)(
            **{k: config[k] for k in known if config.get(k) is not None}
        )
    except (NotImplementedError, ValueError, TypeError) as fault:
        raise GrounderError(
            f"The noise schedule in {folder.name!r} is not known: {first_line(fault)}"
        ) from fault
    return Schedule(scheduler.alphas_cumprod.double(), scheduler.config.prediction_type)


def _image_spec(unet: Any, vae: Any, parts: Parts) -> ImageSpec:
    latent = unet.config.sample_size
    if not isinstance(latent, int):
        raise GrounderError(f"The UNet of {parts.name!r} does not say its square sample_size.")
    shrink = 2 ** (len(vae.config.block_out_channels) - 1)
    low, high = parts.value_range or (-1.0, 1.0)
    return ImageSpec(
        latent * shrink, vae.config.in_channels, low, high, latent, vae.config.latent_channels, parts.window
    )


def _sites(unet: Any, kind: str, cross: bool) -> Iterator[Site]:
    """Attention layers in the order of computation: down, middle, up (the module tree has another order)."""
    index = 0
    for prefix, block, halvings in _blocks(unet):
        for name, module in block.named_modules():
            if name.rsplit(".", 1)[-1] != kind or module.is_cross_attention is not cross:
                continue
            yield Site(index, f"{prefix}.{name}", halvings, module, project)
            index += 1


def _blocks(unet: Any) -> Iterator[tuple[str, nn.Module, int]]:
    halvings = 0
    for i, block in enumerate(unet.down_blocks):
        yield f"down_blocks.{i}", block, halvings
        halvings += getattr(block, "downsamplers", None) is not None
    if unet.mid_block is not None:
        yield "mid_block", unet.mid_block, halvings
    for i, block in enumerate(unet.up_blocks):
        yield f"up_blocks.{i}", block, halvings
        halvings -= getattr(block, "upsamplers", None) is not None


def project(module: Any, hidden: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
    """Queries and keys of a diffusers `Attention`, as its processors make them; see `protocol.Project`."""
    if module.spatial_norm is not None or module.added_kv_proj_dim is not None:
        raise GrounderError(
            "An attention layer of this UNet has a spatial norm or added keys; it cannot be read."
        )
    is_self = context is hidden
    hidden = hidden.flatten(2).transpose(1, 2) if hidden.ndim == 4 else hidden
    if module.group_norm is not None:
        hidden = module.group_norm(hidden.transpose(1, 2)).transpose(1, 2)
    if is_self:
        context = hidden
    elif module.norm_cross is not None:
        context = module.norm_encoder_hidden_states(context)
    queries = _heads(module.to_q(hidden), module.heads)
    keys = _heads(module.to_k(context), module.heads)
    queries = queries if module.norm_q is None else module.norm_q(queries)
    keys = keys if module.norm_k is None else module.norm_k(keys)
    return queries.float() * module.scale, keys.float()


def _heads(flat: Tensor, heads: int) -> Tensor:
    rows, places, width = flat.shape
    return flat.view(rows, places, heads, width // heads).transpose(1, 2)
