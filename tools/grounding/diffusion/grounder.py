"""The diffusion grounder behind the `Grounder` protocol.

What the model sees is the view's region, upright and with the patient's right on the left where the sides are
known; boxes and maps come back in the view as it is shown. The map is relative: only a calibrated presence
score decides absence.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foveate.tools.grounding.diffusion.locate import Located, locate
from foveate.tools.grounding.diffusion.presence import Calibration
from foveate.tools.grounding.diffusion.protocol import Denoiser
from foveate.tools.grounding.diffusion.recipes import Recipe
from foveate.tools.grounding.diffusion.regions import HeatBox, find_regions
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.protocol import Grounding, Region
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View, render
from foveate.tools.imaging.windows import Window


class DiffusionGrounder:
    """Grounds phrases with one denoiser and one recipe. `calibration` None: absence is never decided."""

    def __init__(self, denoiser: Denoiser, recipe: Recipe, calibration: Calibration | None = None) -> None:
        self.denoiser, self.recipe, self.calibration = denoiser, recipe, calibration
        self.name = f"diffusion:{recipe.name}@{denoiser.name}"

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        """One grounding per phrase; the time and the passes of the whole call are shared out to the first.

        Raises GrounderError for a phrase or a picture that cannot be grounded.
        """
        began = time.monotonic()
        upright, picture = self._picture(view, image)
        found = locate(picture, phrases, self.recipe, self.denoiser)
        results = []
        for index, phrase in enumerate(phrases):
            spent = time.monotonic() - began if index == 0 else 0.0
            passes = found.forward_passes if index == 0 else 0
            results.append(self._one(found, index, phrase, view, upright, spent, passes))
        return results

    def _picture(self, view: View, image: SourceImage) -> tuple[View, npt.NDArray[np.uint8]]:
        """The view as the model reads it, and its pixels."""
        x0, y0, x1, y1 = view.region
        latent = self.denoiser.image.latent_side
        if max(x1 - x0, y1 - y0) < latent:
            raise GrounderError(
                f"The image is {x1 - x0:.0f}x{y1 - y0:.0f} pixels, smaller than the model's latent grid"
                f" ({latent}x{latent}); give a larger image or region."
            )
        _finite(view, image)
        sides, (width, height) = image.sides(view.plane), view.upright_size
        told = self.denoiser.image.window
        window = Window(*told) if told is not None and image.intensity_unit == "HU" else view.window
        changed: dict[str, Any] = {
            "quarter_turns": 0, "flip": sides is not None and sides[0] == "L", "width": width,
            "height": height, "window": window, "parent": view.id, "operation": "as the grounder reads it",
        }  # fmt: skip
        upright = View(**{**{name: getattr(view, name) for name in View.model_fields}, **changed})
        return upright, np.asarray(render(upright, image).convert("L"))

    def _one(
        self, found: Located, index: int, phrase: str, view: View, upright: View, spent: float, passes: int
    ) -> Grounding:
        recipe, heat = self.recipe, found.maps[index]
        boxes = find_regions(heat, recipe.cut, recipe.level, recipe.most, recipe.least)
        regions = tuple(_region(box, phrase, view, upright) for box in boxes)
        absent, best, threshold = None, max((r.score for r in regions), default=0.0), None
        if self.calibration is not None and found.presence is not None:
            best, threshold = (
                self.calibration.probability(float(found.presence[index])),
                self.calibration.threshold,
            )
            absent = best < threshold
            regions = () if absent else regions
        shown = _as_shown(heat, view, upright)
        detail = self._detail(found, index, phrase, view, upright)
        return Grounding(phrase, regions, "relative", absent, best, threshold, shown, spent, passes, detail)

    def _detail(self, found: Located, index: int, phrase: str, view: View, upright: View) -> dict[str, Any]:
        """What a reader must know to judge the result; plain JSON."""
        told: dict[str, Any] = {"recipe": self.recipe.name, "layers_read": list(found.layers)}
        if found.presence is not None:
            told["presence_score"] = round(float(found.presence[index]), 5)
        if self.calibration is not None:
            c = self.calibration
            told["presence_calibration"] = {
                "score": c.score, "positives": c.positives, "negatives": c.negatives,
                "auc": round(c.auc, 4), "brier": round(c.brier, 4),
                "sensitivity": round(c.sensitivity, 4), "specificity": round(c.specificity, 4),
            }  # fmt: skip
        if found.priors is not None:
            prior = found.priors[index]
            boxes = find_regions(prior, self.recipe.cut, self.recipe.level, 1, 1.0)
            alone = [_region(box, phrase, view, upright).box.to_source().as_list() for box in boxes]
            told["prior_weight"], told["prior_only_boxes"] = self.recipe.prior_weight, alone
        return told


def _finite(view: View, image: SourceImage) -> None:
    pixels = image.plane_pixels(view.plane, view.slice_index)
    if np.issubdtype(pixels.dtype, np.floating) and not np.isfinite(pixels).all():
        raise GrounderError("The image has values that are not numbers (NaN or infinite) on this slice.")


def _region(box: HeatBox, phrase: str, view: View, upright: View) -> Region:
    source = upright.frame.to_source(upright.frame.box(*box.corners))
    return Region(view.frame.from_source(source), box.score, phrase)


def _as_shown(heat: npt.NDArray[np.float32], view: View, upright: View) -> npt.NDArray[np.float32]:
    """The upright map mirrored and turned as the view is."""
    shown = heat[:, ::-1] if view.flip != upright.flip else heat
    return np.ascontiguousarray(np.rot90(shown, -view.quarter_turns))


def model_folder(model: str) -> Path:
    """The folder whose presence.json belongs to a model."""
    from foveate.tools.grounding.diffusion.parts import locate as where

    path = where(model)
    return path if path.is_dir() else path.parent
