"""Asks a grounder alone: the question's phrase on the slice that opens it, no model and no agent between.

What `--model none` runs. The heat map goes with the prediction, so that it is kept before any target is
fetched. Knows no target and no Inspect AI.
"""

from __future__ import annotations

import time
from typing import Any

from foveate.agent.models.errors import ModelError
from foveate.evals.contract.answers import Claim, Prediction
from foveate.evals.contract.questions import Question, Region
from foveate.evals.inspect.asking import Asked
from foveate.evals.inspect.configuration import Configuration
from foveate.evals.inspect.errors import SampleFailed
from foveate.evals.inspect.heat import Heat
from foveate.evals.inspect.images import OpenedImages
from foveate.tools.grounding.protocol import Grounder, Grounding
from foveate.tools.grounding.registry import GrounderError, load_grounder
from foveate.tools.imaging.errors import ImageError
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View, ViewError, overview

VIEW_SIDE = 512
"""The longer side of the view in pixels, and so of a heat map; smaller images keep their size."""


class GrounderAsker:
    """Holds the grounder of a run. `ask` may be called from several threads."""

    def __init__(self, grounder: Grounder, name: str, images: OpenedImages) -> None:
        self._grounder, self._name, self._images = grounder, name, images

    @classmethod
    def of(cls, configuration: Configuration) -> GrounderAsker:
        """Loads the grounder. Raises GrounderError."""
        name = configuration.grounder
        return cls(load_grounder(name), name, OpenedImages(ImageStore()))

    def ask(self, question: Question) -> Asked:
        """Grounds the phrase. Raises SampleFailed when the grounder or the image failed."""
        assert question.phrase is not None, "only questions with a phrase are asked"
        began = time.monotonic()
        try:
            with self._images.lent(question.images[:1]) as (image,):
                view = overview(image, VIEW_SIDE, question.images[0].slice_index)
                [found] = self._grounder.ground(view, image, [question.phrase])
        except (ImageError, ViewError, IndexError, GrounderError, ModelError) as error:
            raise SampleFailed(f"{question.id}: {error}") from None
        seconds = round(time.monotonic() - began, 3)
        heat = None if found.heatmap is None else Heat(found.heatmap, view.region, view.slice_index)
        return Asked(_prediction(found), self._trace(question.phrase, found, view, seconds), heat)

    def _trace(self, phrase: str, found: Grounding, view: View, seconds: float) -> dict[str, Any]:
        """The parts of an agent's trace that tables and reports read."""
        step = {
            "n": 1, "tool": "ground", "arguments": {"phrase": phrase}, "ok": True, "seconds": seconds,
            "observation": f"{len(found.regions)} regions, best score {found.best_score:.3f}", "error": None,
        }  # fmt: skip
        return {
            "question": phrase, "answer": phrase, "model": f"grounder {self._name}", "steps": [step],
            "replies": [], "views": {"V0": {"source_size": list(view.source_size)}}, "seconds": seconds,
            "usage": {"input_tokens": 0, "output_tokens": 0}, "stopped_by": "answer", "failure": None,
        }  # fmt: skip


def _prediction(found: Grounding) -> Prediction:
    """Every region is claimed. Absence is claimed only where the grounder can decide it."""
    regions = tuple(_region(region.box.to_source(), region.score, found) for region in found.regions)
    claims: tuple[Claim, ...] = ()
    if regions:
        claims = (Claim(found.phrase, True, True, tuple(range(len(regions)))),)
    elif found.absent:
        claims = (Claim(found.phrase, present=False),)
    return Prediction(found.phrase, claims=claims, regions=regions)


def _region(source: Any, score: float, found: Grounding) -> Region:
    fixed = found.score_kind == "fixed_scale"  # relative scores do not compare across images
    return Region(
        source.as_tuple(),
        slice_index=source.frame.slice_index,
        label=found.phrase,
        score=float(score) if fixed else None,
    )
