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
from foveate.tools.grounding.diffusion.regions import find_regions
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.picture import as_shown, picture_of, to_view, upright
from foveate.tools.grounding.protocol import Grounding, Region
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View
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
        shown, picture = self._picture(view, image)
        found = locate(picture, phrases, self.recipe, self.denoiser)
        results = []
        for index, phrase in enumerate(phrases):
            spent = time.monotonic() - began if index == 0 else 0.0
            passes = found.forward_passes if index == 0 else 0
            results.append(self._one(found, index, phrase, view, shown, spent, passes))
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
        shown, told = upright(view, image), self.denoiser.image.window
        if told is not None and image.intensity_unit == "HU":
            fields = {name: getattr(shown, name) for name in View.model_fields}
            shown = View(**{**fields, "window": Window(*told)})
        return shown, np.asarray(picture_of(shown, image).convert("L"))

    def _one(
        self, found: Located, index: int, phrase: str, view: View, shown: View, spent: float, passes: int
    ) -> Grounding:
        recipe, heat = self.recipe, found.maps[index]
        boxes = find_regions(heat, recipe.cut, recipe.level, recipe.most, recipe.least)
        regions = tuple(Region(to_view(box.corners, shown, view), box.score, phrase) for box in boxes)
        absent, best, threshold = None, max((r.score for r in regions), default=0.0), None
        if self.calibration is not None and found.presence is not None:
            best, threshold = (
                self.calibration.probability(float(found.presence[index])),
                self.calibration.threshold,
            )
            absent = best < threshold
            regions = () if absent else regions
        heatmap = as_shown(heat, view, shown)
        detail = self._detail(found, index, view, shown)
        return Grounding(phrase, regions, "relative", absent, best, threshold, heatmap, spent, passes, detail)

    def _detail(self, found: Located, index: int, view: View, shown: View) -> dict[str, Any]:
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
            alone = [to_view(box.corners, shown, view).to_source().as_list() for box in boxes]
            told["prior_weight"], told["prior_only_boxes"] = self.recipe.prior_weight, alone
        return told


def model_folder(model: str) -> Path:
    """The folder whose presence.json belongs to a model."""
    from foveate.tools.grounding.diffusion.parts import locate as where

    path = where(model)
    return path if path.is_dir() else path.parent
