"""Image corruptions after MedMNIST-C (Di Salvo et al., 2024), with its severities scaled to the image's size.

MedMNIST-C's kernels and sizes are tuned for 224 pixels; here they grow with side / 224. Pictures are float
arrays [row, col] or [row, col, 3] from 0 to 1; every function is deterministic by its generator. Where the
published description leaves a parameter open (number of bubbles, of characters, the corner's radius), it is a
constant of this module. Knows no image file and no run.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from scipy.signal import fftconvolve

Picture = npt.NDArray[np.float64]
Apply = Callable[[Picture, float, float, np.random.Generator], Picture]
"""(picture, level, side / 224, generator) → picture."""
TUNED_FOR = 224
BUBBLES, STAIN_RADIUS, LETTERS = 6, 14.0, "RLAPXQ7"


@dataclass(frozen=True)
class Corruption:
    """`levels` are those of severity 1 to 5. `color` ones need a colour picture; `moves` ones move edges a
    little, so that boxes fit less well by themselves."""

    name: str
    family: str
    apply: Apply
    levels: tuple[float, ...]
    color: bool = False
    moves: bool = False

    def __call__(self, picture: Picture, severity: int, seed: int = 0) -> Picture:
        """The corrupted picture, 0..1, of the same shape. ValueError for a severity that is not 1 to 5."""
        if not 1 <= severity <= len(self.levels):
            raise ValueError(f"{self.name} has severities 1 to {len(self.levels)}, not {severity}")
        if self.color and picture.ndim != 3:
            raise ValueError(f"{self.name} needs a colour picture")
        scale = max(picture.shape[:2]) / TUNED_FOR
        made = self.apply(picture, self.levels[severity - 1], scale, np.random.default_rng([seed, severity]))
        return np.clip(made, 0.0, 1.0)


def gaussian_noise(x: Picture, sigma: float, scale: float, rng: np.random.Generator) -> Picture:
    return x + rng.normal(0.0, sigma, x.shape)


def speckle_noise(x: Picture, sigma: float, scale: float, rng: np.random.Generator) -> Picture:
    return x + x * rng.normal(0.0, sigma, x.shape)


def shot_noise(x: Picture, photons: float, scale: float, rng: np.random.Generator) -> Picture:
    return np.asarray(rng.poisson(x * photons) / photons)


def impulse_noise(x: Picture, amount: float, scale: float, rng: np.random.Generator) -> Picture:
    """Salt and pepper in equal parts."""
    hit, salt = rng.random(x.shape) < amount, rng.random(x.shape) < 0.5
    return np.asarray(np.where(hit, salt.astype(np.float64), x))


def jpeg(x: Picture, quality: float, scale: float, rng: np.random.Generator) -> Picture:
    buffer = io.BytesIO()
    _image(x).save(buffer, "JPEG", quality=int(quality))
    return _array(Image.open(buffer))


def pixelate(x: Picture, share: float, scale: float, rng: np.random.Generator) -> Picture:
    """Fewer pixels, then as many as before; `share` is of each side at 224 pixels."""
    height, width = x.shape[:2]
    small = max(1, round(width * share / scale)), max(1, round(height * share / scale))
    reduced = _image(x).resize(small, Image.Resampling.BOX)
    return _array(reduced.resize((width, height), Image.Resampling.NEAREST))


def gaussian_blur(x: Picture, kernel: float, scale: float, rng: np.random.Generator) -> Picture:
    """`kernel` is the width of the kernel; its sigma by the usual rule, 0.3 ((k - 1) / 2 - 1) + 0.8."""
    sigma = (0.3 * ((kernel - 1) * 0.5 - 1) + 0.8) * scale
    return np.asarray(ndimage.gaussian_filter(x, (sigma, sigma, 0)[: x.ndim]))


def defocus_blur(x: Picture, kernel: float, scale: float, rng: np.random.Generator) -> Picture:
    radius = kernel / 2 * scale
    reach = int(np.ceil(radius))
    rows, cols = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return _convolved(x, (np.hypot(rows, cols) <= radius).astype(float))


def motion_blur(x: Picture, kernel: float, scale: float, rng: np.random.Generator) -> Picture:
    """Along one line, at up to 45 degrees to the rows."""
    reach, angle = max(1, round(kernel / 2 * scale)), rng.uniform(-np.pi / 4, np.pi / 4)
    line = np.zeros((2 * reach + 1, 2 * reach + 1))
    steps = np.linspace(-reach, reach, 8 * reach + 1)
    line[
        np.rint(reach + steps * np.sin(angle)).astype(int), np.rint(reach + steps * np.cos(angle)).astype(int)
    ] = 1
    return _convolved(x, line)


def zoom_blur(x: Picture, most: float, scale: float, rng: np.random.Generator) -> Picture:
    """The mean of the picture and of closer and closer looks at its middle."""
    height, width = x.shape[:2]
    whole, looks = _image(x), [x]
    for factor in np.linspace(1.0, most, 8)[1:]:
        dx, dy = width * (1 - 1 / factor) / 2, height * (1 - 1 / factor) / 2
        near = whole.resize((width, height), Image.Resampling.BILINEAR, (dx, dy, width - dx, height - dy))
        looks.append(_array(near))
    return np.asarray(np.mean(looks, axis=0))


def brightness(x: Picture, factor: float, scale: float, rng: np.random.Generator) -> Picture:
    return np.asarray(x * factor)


def contrast(x: Picture, factor: float, scale: float, rng: np.random.Generator) -> Picture:
    return np.asarray((x - x.mean()) * factor + x.mean())


def gamma(x: Picture, exponent: float, scale: float, rng: np.random.Generator) -> Picture:
    return np.asarray(x**exponent)


def saturate(x: Picture, added: float, scale: float, rng: np.random.Generator) -> Picture:
    """More saturation in HSV."""
    top, low = x.max(axis=2, keepdims=True), x.min(axis=2, keepdims=True)
    share = np.divide(top - low, top, out=np.zeros_like(top), where=top > 0)
    wanted = np.clip(share + np.where(share > 0, added, 0.0), 0.0, 1.0)
    factor = np.divide(wanted, share, out=np.ones_like(share), where=share > 0)
    return np.asarray(top - (top - x) * factor)


def bubble(x: Picture, radius: float, scale: float, rng: np.random.Generator) -> Picture:
    """Round bubbles: brighter inside, with a dark rim."""
    made = x.copy()
    for _ in range(BUBBLES):
        distance = _distance(x, rng) / (radius * scale)
        made = np.where(_like(distance < 1, x), made * 0.7 + 0.3, made)
        made = np.where(_like(np.abs(distance - 1) < 0.12, x), made * 0.5, made)
    return made


def stain(x: Picture, count: float, scale: float, rng: np.random.Generator) -> Picture:
    """Dark violet deposits with soft edges."""
    made, ink = x.copy(), np.array([0.30, 0.12, 0.40])
    for _ in range(round(count)):
        shade = _like(np.exp(-((_distance(x, rng) / (STAIN_RADIUS * scale)) ** 4)), x)
        made = made * (1 - 0.85 * shade) + 0.85 * shade * (ink if x.ndim == 3 else ink.mean())
    return made


def black_corner(x: Picture, reach: float, scale: float, rng: np.random.Generator) -> Picture:
    """Black outside a circle of `reach` times half the diagonal, as a dermatoscope leaves it."""
    rows, cols = np.indices(x.shape[:2])
    middle = (x.shape[0] - 1) / 2, (x.shape[1] - 1) / 2
    distance = np.hypot(rows - middle[0], cols - middle[1]) / np.hypot(*middle)
    return np.where(_like(distance <= reach, x), x, 0.0)


def characters(x: Picture, count: float, scale: float, rng: np.random.Generator) -> Picture:
    """White letters burnt in."""
    image = _image(x)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(max(8.0, 16 * scale))
    for _ in range(round(count)):
        place = float(rng.uniform(0, image.width * 0.9)), float(rng.uniform(0, image.height * 0.9))
        fill = (255, 255, 255) if x.ndim == 3 else 255
        draw.text(place, LETTERS[int(rng.integers(len(LETTERS)))], fill=fill, font=font)
    return _array(image)


def _even(low: float, high: float) -> tuple[float, ...]:
    return tuple(float(v) for v in np.linspace(low, high, 5))


_KERNELS = (3.0, 5.0, 7.0, 9.0, 11.0)
CORRUPTIONS = {
    each.name: each
    for each in (
        Corruption("gaussian_noise", "noise", gaussian_noise, (0.04, 0.08, 0.12, 0.18, 0.26)),
        Corruption("speckle_noise", "noise", speckle_noise, (0.05, 0.15, 0.2, 0.35, 0.45)),
        Corruption("impulse_noise", "noise", impulse_noise, (0.01, 0.03, 0.06, 0.09, 0.17)),
        Corruption("shot_noise", "noise", shot_noise, (60.0, 25.0, 18.0, 10.0, 5.0)),
        Corruption("jpeg", "digital", jpeg, (50.0, 30.0, 15.0, 10.0, 7.0)),
        Corruption("pixelate", "digital", pixelate, (0.30, 0.25, 0.20, 0.15, 0.10)),
        Corruption("gaussian_blur", "blur", gaussian_blur, _KERNELS),
        Corruption("defocus_blur", "blur", defocus_blur, _KERNELS),
        Corruption("motion_blur", "blur", motion_blur, _KERNELS),
        Corruption("zoom_blur", "blur", zoom_blur, (1.11, 1.16, 1.21, 1.26, 1.31), moves=True),
        Corruption("brightness_up", "color", brightness, _even(1.1, 1.5)),
        Corruption("brightness_down", "color", brightness, _even(0.9, 0.5)),
        Corruption("contrast_up", "color", contrast, _even(1.1, 1.6)),
        Corruption("contrast_down", "color", contrast, _even(0.9, 0.4)),
        Corruption("gamma_up", "color", gamma, _even(1.1, 1.6)),
        Corruption("gamma_down", "color", gamma, _even(0.9, 0.4)),
        Corruption("saturate", "color", saturate, _even(0.05, 0.25), color=True),
        Corruption("bubble", "task", bubble, (11.0, 13.5, 16.0, 18.5, 21.0)),
        Corruption("stain_deposit", "task", stain, _even(1, 5), color=True),
        Corruption("black_corner", "task", black_corner, _even(0.95, 0.75)),
        Corruption("characters", "task", characters, _even(1, 5)),
    )
}


def _convolved(x: Picture, kernel: Picture) -> Picture:
    kernel = kernel / kernel.sum()
    reach = kernel.shape[0] // 2
    pad = [(reach, reach), (reach, reach), (0, 0)][: x.ndim]
    return np.asarray(fftconvolve(np.pad(x, pad, "reflect"), _like(kernel, x), "valid", axes=(0, 1)))


def _distance(x: Picture, rng: np.random.Generator) -> Picture:
    """Pixels to a random place of the picture."""
    rows, cols = np.indices(x.shape[:2])
    row, col = rng.uniform(0, x.shape[0]), rng.uniform(0, x.shape[1])
    return np.asarray(np.hypot(rows - row, cols - col))


def _like(plane: npt.NDArray[Any], x: Picture) -> npt.NDArray[Any]:
    return plane[..., None] if x.ndim == 3 else plane


def _image(x: Picture) -> Image.Image:
    return Image.fromarray((np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8))


def _array(image: Image.Image) -> Picture:
    return np.asarray(image, np.float64) / 255
