"""The pocket grounder: a dense image-text model behind the `Grounder` protocol.

The slice is encoded once (the last few are kept), at one or more scales; a phrase then costs one text
encoding and a dot product per pixel. What a view shows of the slice decides presence and boxes. Knows no
structure by name: what it needs to know of its vocabulary stands in the model's config.json.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from foveate.tools.grounding.canvas import Canvas, canvas_of
from foveate.tools.grounding.compete import Vocabulary, compete
from foveate.tools.grounding.dense import STRIDE, load_locator
from foveate.tools.grounding.heatmap import HeatRegion, Kind, heat_regions, peak_score
from foveate.tools.grounding.picture import NO_NAME
from foveate.tools.grounding.protocol import Grounding, Region
from foveate.tools.imaging.frames import Affine2D, Box
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

KEPT_SLICES = 4
KEPT_PHRASES = 512


@dataclass(frozen=True)
class Encoded:
    """One slice: its canvas, and per scale the unit vectors (embed, h, w), the known names' logits
    (names, h, w) and the share (w, h) that is not padding.
    """

    canvas: Canvas
    scales: tuple[tuple[Tensor, Tensor, tuple[float, float]], ...]


class PocketLocator:
    """Grounds phrases with the weights in a folder. Raises FileNotFoundError when they are not there."""

    name = "pocket"

    def __init__(self, folder: Path) -> None:
        self.model, self.config = load_locator(folder)
        self.threshold = float(self.config.get("presence_threshold", 0.5))
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], Encoded] = OrderedDict()
        self._phrases: dict[str, Tensor] = {}
        with torch.inference_mode():
            names = list(self.config["structures"])
            self._known = Vocabulary.of(self.config["structures"], self.model.encode_text(names))

    @torch.inference_mode()
    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        """One grounding per phrase; `seconds` and `forward_passes` of the image are shared out to the
        first.
        """
        if view.image_id != image.id:
            raise ValueError("The view shows another image than the one given.")
        began = time.monotonic()
        # calls made together come from several threads: the first encodes the slice, the others find it
        with self._lock:
            encoded, passes = self._encode(view, image)
            text = self._text(phrases)
        found = []
        for phrase, vector in zip(phrases, text, strict=True):
            found.append(self._one(view, encoded, phrase, vector, began, passes))
            began, passes = time.monotonic(), 0
        return found

    def _text(self, phrases: Sequence[str]) -> list[Tensor]:
        new = [p for p in dict.fromkeys(phrases) if p not in self._phrases]
        if len(self._phrases) + len(new) > KEPT_PHRASES:
            self._phrases.clear()
            new = list(dict.fromkeys(phrases))
        if new:
            self._phrases.update(zip(new, self.model.encode_text(new), strict=True))
        return [self._phrases[p] for p in phrases]

    def _encode(self, view: View, image: SourceImage) -> tuple[Encoded, int]:
        window = None if image.intensity_unit == "HU" else view.window
        key = (image.id, view.plane, view.slice_index, window)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key], 0
        canvas = canvas_of(image, view.plane, view.slice_index, window)
        scales = []
        for mm in self.config.get("scales_mm", [self.config["mm_per_pixel"]]):
            inputs, (width, height) = canvas.inputs(mm, STRIDE)
            pixels = self.model.encode_image(inputs)[0]
            share = (width / inputs.shape[3], height / inputs.shape[2])
            scales.append((pixels, self.model.logits(pixels[None], self._known.vectors)[0], share))
        self._kept[key] = Encoded(canvas, tuple(scales))
        while len(self._kept) > KEPT_SLICES:
            self._kept.popitem(last=False)
        return self._kept[key], len(scales)

    def logits(self, encoded: Encoded, vector: Tensor) -> tuple[npt.NDArray[np.float32], Affine2D]:
        """The phrase's logits on the canvas, averaged over the scales, and the map from its pixels to
        the source.
        """
        mm = float(self.config.get("map_mm", 2.0))
        rows, cols = (max(1, round(n * encoded.canvas.mm / mm)) for n in encoded.canvas.values.shape)
        total = torch.zeros(rows, cols)
        rivals = self._known.rivals(vector)
        for pixels, known, (share_w, share_h) in encoded.scales:
            one = compete(self.model.logits(pixels[None], vector[None])[0, 0], known, rivals)
            # the grid leaves the padding out: canvas pixel centres in the padded map's coordinates
            x = (torch.arange(cols) + 0.5) / cols * share_w * 2 - 1
            y = (torch.arange(rows) + 0.5) / rows * share_h * 2 - 1
            grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[None]
            sampled = F.grid_sample(one[None, None], grid, "bilinear", "border", align_corners=False)
            total += sampled[0, 0] / len(encoded.scales)
        return total.numpy(), _to_source(encoded.canvas, rows, cols)

    def _one(
        self, view: View, encoded: Encoded, phrase: str, vector: Tensor, began: float, passes: int
    ) -> Grounding:
        logits, to_source = self.logits(encoded, vector)
        inside, shift = _seen(logits, to_source, view)
        pixels = max(1, round(8 * 16 / float(self.config.get("map_mm", 2.0)) ** 2))
        peak = peak_score(inside, pixels) if inside.size else -math.inf
        present = self._presence(peak)
        regions: tuple[Region, ...] = ()
        if present >= self.threshold:
            # a calibrated presence may lie below the mask's level: then the peak's own surroundings are
            # the region
            cut = min(float(self.config.get("mask_logit", 0.0)), peak - 1.0)
            found = heat_regions(inside, self._kind(vector), cut, pixels)
            regions = tuple(r for f in found if (r := self._region(f, view, to_source @ shift, phrase)))
        heat = _heatmap(logits, to_source, view)
        detail = {} if regions or self._known.taught(vector) else {NO_NAME: True}
        return Grounding(
            phrase,
            regions,
            score_kind="fixed_scale",
            absent=not regions,
            best_score=present,
            threshold=self.threshold,
            heatmap=heat,
            seconds=time.monotonic() - began,
            forward_passes=passes,
            detail=detail,
        )

    def _presence(self, peak: float) -> float:
        told = self.config["presence"]
        value = max(-50.0, min(50.0, told["slope"] * peak + told["offset"]))
        return 1 / (1 + math.exp(-value))

    def _kind(self, vector: Tensor) -> Kind:
        known = self._known.nearest(vector)
        if known is None:
            return "one"
        kind: Kind = self.config["structures"][self._known.names[known]]["kind"]
        return kind

    def _region(self, found: HeatRegion, view: View, to_source: Affine2D, phrase: str) -> Region | None:
        x0, y0, x1, y1 = to_source.map_box(*found.corners)
        rx0, ry0, rx1, ry1 = view.region
        x0, y0, x1, y1 = max(x0, rx0), max(y0, ry0), min(x1, rx1), min(y1, ry1)
        if x1 - x0 < 1e-3 or y1 - y0 < 1e-3:
            return None
        box: Box = view.frame.from_source(view.frame.source.box(x0, y0, x1, y1))
        return Region(box, self._presence(found.peak), phrase)


def _to_source(canvas: Canvas, rows: int, cols: int) -> Affine2D:
    height, width = canvas.values.shape
    sx, sy = canvas.step[0] * width / cols, canvas.step[1] * height / rows
    x, y = canvas.origin
    return (
        Affine2D(-sx, 0.0, x + cols * sx, 0.0, sy, y) if canvas.mirrored else Affine2D(sx, 0.0, x, 0.0, sy, y)
    )


def _seen(
    logits: npt.NDArray[np.float32], to_source: Affine2D, view: View
) -> tuple[npt.NDArray[np.float32], Affine2D]:
    """The part of the map that the view shows, and the shift from its pixels to the map's."""
    x0, y0, x1, y1 = to_source.inverse().map_box(*view.region)
    rows, cols = logits.shape
    c0, r0 = min(max(0, math.floor(x0 + 0.5)), cols), min(max(0, math.floor(y0 + 0.5)), rows)
    c1, r1 = max(c0, min(cols, math.ceil(x1 - 0.5))), max(r0, min(rows, math.ceil(y1 - 0.5)))
    return logits[r0:r1, c0:c1], Affine2D(1.0, 0.0, float(c0), 0.0, 1.0, float(r0))


def _heatmap(logits: npt.NDArray[np.float32], to_source: Affine2D, view: View) -> npt.NDArray[np.float32]:
    """sigmoid(logits) in view pixels, 0 where the body ends."""
    back = to_source.inverse() @ view.frame.affine
    y, x = np.mgrid[: view.height, : view.width].astype(np.float32) + np.float32(0.5)
    cols, rows = back.a * x + back.b * y + back.c - 0.5, back.d * x + back.e * y + back.f - 0.5
    shown = ndimage.map_coordinates(logits, (rows, cols), order=1, mode="nearest", output=np.float32)
    beyond = (rows < -0.5) | (cols < -0.5) | (rows > logits.shape[0] - 0.5) | (cols > logits.shape[1] - 0.5)
    heat = np.where(beyond, 0.0, 1 / (1 + np.exp(-np.clip(shown, -30, 30))))
    return np.ascontiguousarray(heat, dtype=np.float32)
