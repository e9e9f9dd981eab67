"""From a view to the picture that a segmenter reads, and from its mask back to the view. Knows no model."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL.Image import Image

from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.picture import Corners, as_shown, picture_of, to_picture, upright
from foveate.tools.grounding.segmenters.protocol import Mask, Prompt, PromptKind
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

Masked = tuple[npt.NDArray[np.bool_], float]


class MaskModel(Protocol):
    """One of the three, as `takes` says: to a bool mask (picture height, picture width) and its score."""

    def of_box(self, picture: Image, corners: Corners) -> Masked: ...

    def of_point(self, picture: Image, point: tuple[float, float]) -> Masked: ...

    def of_text(self, picture: Image, phrase: str) -> Masked: ...


@dataclass
class PictureSegmenter:
    """A mask model behind the `Segmenter` protocol; the view is read upright, as grounders read it."""

    name: str
    model: MaskModel
    takes: frozenset[PromptKind]
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def segment(self, view: View, image: SourceImage, prompt: Prompt) -> Mask:
        """Raises GrounderError for a prompt that it does not take, BoxError for one outside the view."""
        import torch

        if prompt.kind not in self.takes:
            raise GrounderError(
                f"The segmenter {self.name!r} takes: {', '.join(sorted(self.takes))}; not a {prompt.kind}."
            )
        shown = upright(view, image)
        picture = picture_of(shown, image)
        with self._lock, torch.inference_mode():
            pixels, score = self._run(picture, prompt, view, shown)
        return Mask(as_shown(pixels, view, shown), view, score)

    def _run(self, picture: Image, prompt: Prompt, view: View, shown: View) -> Masked:
        if prompt.box is not None:
            return self.model.of_box(picture, to_picture(prompt.box, shown))
        if prompt.text is not None:
            return self.model.of_text(picture, prompt.text)
        x, y = prompt.point or (0.0, 0.0)
        view.frame.box(x - 1e-3, y - 1e-3, x + 1e-3, y + 1e-3)  # a point outside the view is an error
        return self.model.of_point(
            picture, shown.frame.affine.inverse().apply(*view.frame.affine.apply(x, y))
        )


class Prompted:
    """The prompts that a mask model does not take."""

    def of_box(self, picture: Image, corners: Corners) -> Masked:
        raise NotImplementedError

    def of_point(self, picture: Image, point: tuple[float, float]) -> Masked:
        raise NotImplementedError

    def of_text(self, picture: Image, phrase: str) -> Masked:
        raise NotImplementedError
