"""Is a picture good enough to be asked about? Nine measured features, and a verdict with reason and place.

Deterministic and of the shown intensities (the view's window), so that it judges what a model would see.
Limits were chosen on 93 real pictures of two CT patients and their corruptions; `python -m
foveate.evals.bench.quality` prints how often each verdict falls, on those and on what was not fitted. It
knows no model, and nothing of what the picture shows: whether a finding can be told from it is not its
matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from foveate.tools.imaging.features import Gray, blocks, features_of, gray_of, roughness
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View
from foveate.tools.imaging.windows import apply_window

Verdict = Literal["good", "usable", "reject"]
Corners = tuple[float, float, float, float]
MAX_SIDE = 1024
"""Larger pictures are measured after being averaged down by a whole number."""
TILES = 4


@dataclass(frozen=True)
class Limit:
    """From where a feature makes a picture merely usable, and from where it makes it unusable. `below` says
    that low values are the bad ones; `unusable` None: the feature alone never rejects."""

    usable: float
    unusable: float | None
    below: bool = False

    def verdict(self, value: float) -> Verdict:
        sign = -1.0 if self.below else 1.0
        if self.unusable is not None and sign * value >= sign * self.unusable:
            return "reject"
        return "usable" if sign * value >= sign * self.usable else "good"


LIMITS: Mapping[str, Limit] = {
    "resolution": Limit(48, 16, below=True),
    "contrast": Limit(0.35, 0.02, below=True),
    "blur": Limit(0.45, 0.92),
    "noise": Limit(0.06, 0.28),
    "impulses": Limit(0.01, 0.3),
    "blockiness": Limit(1.6, None),
    "repeats": Limit(0.45, None),
    "clipping": Limit(0.25, 0.9),
    "border": Limit(0.6, None),
}
"""Pixels, shares of the intensity range (contrast, noise), of pixels (impulses, clipping, border), 0 to 1
(blur, repeats) and a ratio (blockiness)."""


@dataclass(frozen=True)
class Quality:
    """`reasons`: names of the features that say so, worst first; `where` (x0, y0, x1, y1): the worst place of
    the first of them, in source pixels of the slice."""

    verdict: Verdict
    reasons: tuple[str, ...]
    where: Corners | None
    features: Mapping[str, float]

    def record(self) -> dict[str, Any]:
        """As plain JSON."""
        features = {name: round(value, 4) for name, value in self.features.items()}
        place = None if self.where is None else [round(value, 1) for value in self.where]
        return {
            "verdict": self.verdict, "reasons": list(self.reasons), "where": place, "features": features,
        }  # fmt: skip


def quality(view: View, image: SourceImage) -> Quality:
    """The quality of the slice that a view shows, in the view's window, over the view's region."""
    x0, y0, x1, y1 = (round(value) for value in view.region)
    pixels = image.plane_pixels(view.plane, view.slice_index)[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    if pixels.ndim == 2 and view.window is not None:
        pixels = apply_window(pixels, view.window)
    found = quality_of(pixels, min(image.plane_size(view.plane)))
    if found.where is None:
        return found
    a, b, c, d = found.where
    return Quality(found.verdict, found.reasons, (a + x0, b + y0, c + x0, d + y0), found.features)


def quality_of(pixels: npt.NDArray[Any], resolution: int | None = None) -> Quality:
    """The quality of a picture, uint8 [row, col] or [row, col, 3]; `where` is in its pixels. `resolution`:
    the shorter side of the whole slice, where the picture is a part of it.

    The verdict does not change when the picture is mirrored or turned by quarter turns.
    """
    gray, scale = _reduced(gray_of(pixels))
    features = {"resolution": float(resolution or min(pixels.shape[:2])), **features_of(gray)}
    verdicts = {name: LIMITS[name].verdict(value) for name, value in features.items()}
    for verdict in ("reject", "usable"):
        reasons = tuple(name for name in LIMITS if verdicts[name] == verdict)
        if reasons:
            found = _where(reasons[0], gray)
            place = tuple(min(value * scale, side) for value, side in zip(
                found, (pixels.shape[1], pixels.shape[0]) * 2, strict=True))  # fmt: skip
            return Quality(verdict, reasons, place, features)
    return Quality("good", (), None, features)


def _reduced(gray: Gray) -> tuple[Gray, int]:
    factor = -(-max(gray.shape) // MAX_SIDE)
    if factor == 1 or min(gray.shape) < factor:
        return gray, 1
    return np.rint(blocks(gray, factor).mean(axis=(1, 3), dtype=np.float32)).astype(np.uint8), factor


def _where(reason: str, gray: Gray) -> Corners:
    """The box round the worst tiles of a grid of 4 x 4, or round what is white; the whole for the rest."""
    height, width = gray.shape
    if reason == "clipping":
        return _around(gray == 255)
    if reason in ("noise", "impulses") and min(gray.shape) >= 8 * TILES:
        high = roughness(gray)
        rows, cols = (np.linspace(0, size, TILES + 1).astype(int) for size in gray.shape)
        tiles = np.array(
            [
                [high[rows[r] : rows[r + 1], cols[c] : cols[c + 1]].mean() for c in range(TILES)]
                for r in range(TILES)
            ]
        )
        worst = tiles >= 0.5 * tiles.max()
        r, c = np.nonzero(worst)
        return float(cols[c.min()]), float(rows[r.min()]), float(cols[c.max() + 1]), float(rows[r.max() + 1])
    return 0.0, 0.0, float(width), float(height)


def _around(mask: npt.NDArray[np.bool_]) -> Corners:
    rows, cols = np.nonzero(mask)
    return float(cols.min()), float(rows.min()), float(cols.max() + 1), float(rows.max() + 1)
