"""A model's name → its denoiser: a diffusers folder or a MONAI bundle. Knows no recipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from foveate.tools.grounding.diffusion.parts import find_parts, locate
from foveate.tools.grounding.diffusion.protocol import Denoiser


def load_denoiser(model: str, device: str | None = None) -> Denoiser:
    """A local folder or JSON file, a preset or a hub id. Raises GrounderError."""
    import torch

    where = locate(model)
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    denoiser: Denoiser = _loaded(str(where), chosen, _changed(where))
    return denoiser


@lru_cache(maxsize=2)
def _loaded(where: str, device: str, _changed: int) -> Denoiser:
    with _quiet():
        if (Path(where) / "configs").is_dir():
            from foveate.tools.grounding.diffusion.monai_ldm import MonaiDenoiser

            return MonaiDenoiser(Path(where), device)
        from foveate.tools.grounding.diffusion.diffusers_unet import DiffusersDenoiser

        return DiffusersDenoiser(find_parts(where), device)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars of loading: standard error is for news."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _changed(where: Path) -> int:
    """The newest change of anything in the model's folder: weights that were trained anew are loaded anew."""
    files = where.rglob("*") if where.is_dir() else [where]
    return max((path.stat().st_mtime_ns for path in files if path.is_file()), default=0)
