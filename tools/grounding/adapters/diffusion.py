"""Cross-attention of a text-conditioned diffusion model as a grounder: "diffusion[:RECIPE][@MODEL]"."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from foveate.tools.grounding.card import Card, embedded_weights
from foveate.tools.grounding.diffusion.recipes import DEFAULT, load_recipe
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.protocol import Grounder

CARD = Card(
    line="cross-attention of a text-conditioned diffusion model; a relative map: where, not whether",
    licence="Apache-2.0 (embedded); of others see the model card",
    size="7 M (embedded); Stable Diffusion 1 B",
    boxes="components of the heat map over the letterboxed or cropped view",
    usual=("FelixNuetzel/cxr_bert_ldm",),
    embedded="diffusion",
    example="[:RECIPE][@MODEL]",
)
VARIABLE = "FOVEATE_DIFFUSION"


def load(recipe: str, model: str) -> Grounder:
    """A recipe with a model, by default the embedded one. Raises GrounderError."""
    how = load_recipe(recipe or DEFAULT)
    where = model or os.environ.get(VARIABLE) or str(embedded_weights("diffusion"))
    if not model and not (Path(where) / "unet").is_dir():
        raise GrounderError(
            f"pocket-diffusion has no weights in {Path(where).name!r}: train them with"
            " `python -m foveate.pocket.diffusion.train`, or name a model as diffusion@MODEL."
        )
    from foveate.tools.grounding.diffusion.grounder import DiffusionGrounder, model_folder
    from foveate.tools.grounding.diffusion.load import load_denoiser
    from foveate.tools.grounding.diffusion.presence import load_calibration

    calibration = load_calibration(model_folder(where), how.name) if how.method == "fast" else None
    how = how if calibration is None else replace(how, presence=calibration.score)
    return DiffusionGrounder(load_denoiser(where), how, calibration)
