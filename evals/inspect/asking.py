"""Asks the agent one question of a task and tells what came of it: the prediction and the trace.

The agent is the one of chat and API: the same graph, the same trace. Knows no target and no Inspect AI.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from foveate.agent.budget import Budget
from foveate.agent.run import Agent, InputError
from foveate.evals.contract.answers import Prediction
from foveate.evals.contract.questions import Question, Region
from foveate.evals.inspect.configuration import Configuration
from foveate.evals.inspect.errors import SampleFailed
from foveate.evals.inspect.heat import Heat
from foveate.evals.inspect.images import OpenedImages
from foveate.evals.scoring.answer import SeenImage, prediction_of
from foveate.tools.imaging.errors import ImageError
from foveate.tools.imaging.frames import Box, BoxError
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import ViewError


@dataclass(frozen=True)
class Asked:
    """One question answered. `trace` is `Result.trace()`; images in it are ids."""

    prediction: Prediction
    trace: dict[str, Any]
    heat: Heat | None = None


class Asks(Protocol):
    """What answers a run's questions: the agent, or a grounder alone."""

    def ask(self, question: Question) -> Asked:
        """Raises SampleFailed."""
        ...


class Asker:
    """Holds the agent of a run. `ask` may be called from several threads."""

    def __init__(self, agent: Agent, images: OpenedImages) -> None:
        self._agent, self._images = agent, images

    @classmethod
    def of(cls, configuration: Configuration) -> Asker:
        """Loads the model and the grounder. Raises ModelError, GrounderError."""
        store = ImageStore()
        agent = Agent(
            model=configuration.model,
            base_url=configuration.base_url,
            grounder=configuration.grounder,
            use_tools=configuration.use_tools,
            budget=Budget(steps=configuration.max_steps, seconds=configuration.max_seconds),
            store=store,
            decoding=configuration.decoding,
            checks=configuration.checks,
            gate=False,  # what is measured lies behind the gate, on blank and spoiled images too
        )
        return cls(agent, OpenedImages(store))

    def ask(self, question: Question) -> Asked:
        """Runs the agent. Raises SampleFailed when the model or an image failed."""
        try:
            with self._images.lent(question.images) as images:
                start = [
                    self._agent.overview(image, source.slice_index)
                    for image, source in zip(images, question.images, strict=True)
                ]
                marked = [_box(region, images) for region in question.marked]
                result = self._agent.ask(images, question.prompt, start=start, boxes=marked)
                if result.stopped_by == "model_error":
                    raise SampleFailed(f"{question.id}: the model failed: {result.failure}")
                seen = [SeenImage(image.id, image.planes[0]) for image in images]
                return Asked(prediction_of(result.to_json(), seen), result.trace())
        except (ImageError, InputError, BoxError, ViewError, IndexError) as error:
            raise SampleFailed(f"{question.id}: {error}") from None


def _box(region: Region, images: Sequence[SourceImage]) -> Box:
    """A pointed-out region with its frame, so that one on another slice than the first view's is an error."""
    image = images[region.image]
    return image.source_frame(region.plane or image.planes[0], region.slice_index).box(*region.box)
