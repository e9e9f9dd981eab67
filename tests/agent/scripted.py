"""A chat model that says what a test tells it to, and a grounder that finds what a test puts there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from foveate.tools.grounding.protocol import Grounding, Region
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

Reply = str | AIMessage | Exception | Callable[[list[BaseMessage]], "Reply"]


def call(name: str, **arguments: Any) -> str:
    return "<tool_call>\n" + json.dumps({"name": name, "arguments": arguments}) + "\n</tool_call>"


class ScriptedModel(BaseChatModel):
    """Gives the replies one after the other (the last one for ever) and keeps what it was shown."""

    replies: list[Any]
    shown: list[Any] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted-test"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> ScriptedModel:  # type: ignore[override]
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = self.replies[min(len(self.shown), len(self.replies) - 1)]
        self.shown.append(messages)
        if callable(reply):
            reply = reply(messages)
        if isinstance(reply, Exception):
            raise reply
        message = reply if isinstance(reply, AIMessage) else AIMessage(reply)
        return ChatResult(generations=[ChatGeneration(message=message)])


class FakeGrounder:
    """Knows boxes of phrases in source pixels; everything else is absent (or undecidable, when relative)."""

    name = "fake"

    def __init__(self, known: dict[str, tuple[float, float, float, float]], relative: bool = False) -> None:
        self.known, self.relative = known, relative

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        return [self._one(view, phrase) for phrase in phrases]

    def _one(self, view: View, phrase: str) -> Grounding:
        box = self.known.get(phrase)
        regions = ()
        if box is not None:
            placed = view.frame.from_source(view.frame.source.box(*box))
            regions = (Region(placed, 0.91, phrase),)
        kind = "relative" if self.relative else "fixed_scale"
        absent = None if self.relative else not regions
        return Grounding(phrase, regions, kind, absent, 0.91 if regions else 0.07, 0.5, None, 0.001, 1)


def ct_volume(
    slices: int = 20, side: int = 64, spacing: tuple[float, float, float] = (5.0, 1.5, 1.5)
) -> SourceImage:
    """A canonical CT volume of patches in slight noise, with an affine."""
    rng = np.random.default_rng(7)
    pixels = np.stack([patches(rng, side, side) * 4 - 400 for _ in range(slices)]).astype(np.int16)
    affine = np.diag([spacing[2], spacing[1], spacing[0], 1.0])
    return SourceImage(
        pixels,
        spacing,
        affine,
        modality="CT",
        intensity_unit="HU",
        convention="radiological",
        volume=True,
        native_plane="axial",
        patient_side_known=True,
    )


def picture(width: int = 200, height: int = 100) -> SourceImage:
    """A color picture without geometry."""
    rng = np.random.default_rng(3)
    pixels = np.stack([patches(rng, height, width) for _ in range(3)], axis=-1)
    return SourceImage(pixels[None].astype(np.uint8))


def patches(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float64]:
    """[height, width] from 10 to 245: patches of seven pixels with sharp edges, which no quality gate
    refuses."""
    levels = rng.uniform(10, 245, (height // 7 + 1, width // 7 + 1))
    even = np.kron(levels, np.ones((7, 7)))[:height, :width]
    return np.clip(even + rng.normal(0, 3, even.shape), 10, 245)
