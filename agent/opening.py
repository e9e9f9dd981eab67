"""From images and a question to the input of the graph: everything that a user can get wrong is refused here.

Opens and stores images, makes the opening views and the evidence of boxes that the user marked. Knows no
graph, and of the model only its profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foveate.agent.budget import MAX_IMAGES, MAX_QUESTION
from foveate.agent.checks.level import Level
from foveate.agent.models.profiles import Profile
from foveate.agent.observe import check_shape
from foveate.agent.state import AgentState, evidence_record, view_record
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.imaging.frames import Box
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.quality import quality
from foveate.tools.imaging.store import ImageStore, StoreError
from foveate.tools.imaging.views import View, overview

ImageInput = str | Path | SourceImage
Images = ImageInput | Sequence[ImageInput]
Marked = Sequence[Box | Sequence[float]]


class InputError(ValueError):
    """A question or a set of images that cannot be asked about; one clear sentence."""


@dataclass(frozen=True)
class Opener:
    """Opens questions for one store and one profile. `gate`: whether the images' quality is judged."""

    store: ImageStore
    profile: Profile
    gate: bool = True

    def open(
        self,
        images: Images,
        question: str,
        known: Mapping[str, Any],
        start: Sequence[View] | None = None,
        boxes: Marked = (),
        checks: Level | None = None,
    ) -> AgentState:
        """The graph's input. `known` is the state of the conversation so far, empty at its beginning.

        Raises InputError, or the image's own error.
        """
        question = checked_question(question)
        self._check_known(known.get("images", {}))
        opened = [self._image(image) for image in _listed(images)]
        if not opened and not known.get("views"):
            raise InputError("No image was given; name at least one.")
        views = list(start) if start is not None else [self.overview(image) for image in opened]
        self._check_shapes(views)
        return AgentState(
            question=question,
            checks=checks,
            images={self.store.put(image): _told(image) for image in opened},
            start=[view_record(view) for view in views],
            marked=[evidence_record(self._marked(box, views)) for box in boxes],
            quality=self._quality(views),
        )

    def _check_known(self, images: Mapping[str, Any]) -> None:
        try:
            for image_id in images:
                self.store.get(image_id)
        except StoreError as error:
            raise InputError(f"The conversation cannot go on: {error}") from None

    def _image(self, image: ImageInput) -> SourceImage:
        if isinstance(image, SourceImage):
            return image
        from foveate.tools.imaging.open import open_image

        return open_image(image)

    def overview(self, image: SourceImage, slice_index: int | None = None, plane: str | None = None) -> View:
        """The whole slice (the middle one by default) at the size that opens a question for this profile."""
        # a small model knows one scale: it was taught on opening views that fill its side
        small = max(image.plane_size(image.planes[0])) < self.profile.min_side
        upscale = small or self.profile.style == "compact"
        return overview(image, self.profile.max_side, slice_index, plane, upscale=upscale)

    def _check_shapes(self, views: Sequence[View]) -> None:
        try:
            for view in views:
                check_shape(self.profile, view)
        except ValueError as error:
            raise InputError(f"The image cannot be asked about: {error}.") from None

    def _quality(self, views: Sequence[View]) -> dict[str, Any]:
        """View id → what the quality gate says of the slice that opens the question."""
        judged = views if self.gate else ()
        return {view.id: quality(view, self.store.get(view.image_id)).record() for view in judged}

    def _marked(self, box: Box | Sequence[float], views: Sequence[View]) -> Evidence:
        if not views:
            raise InputError("A marked box needs the image that it is on; name the image again.")
        image = self.store.get(views[0].image_id)
        shown = views[0].frame
        source = box.to_source() if isinstance(box, Box) else shown.source.box(*box)
        return seen_at(shown.from_source(source), views[0], image, label="box", tool="user")


def checked_question(question: str) -> str:
    """The question without surrounding space. Raises InputError when it is empty or too long."""
    words = question.strip()
    if not words:
        raise InputError("The question is empty.")
    if len(words) > MAX_QUESTION:
        raise InputError(f"The question has {len(words)} characters; at most {MAX_QUESTION} are allowed.")
    return words


def _listed(images: Images) -> list[ImageInput]:
    given = [images] if isinstance(images, str | Path | SourceImage) else list(images)
    if len(given) > MAX_IMAGES:
        raise InputError(f"{len(given)} images were given; at most {MAX_IMAGES} can be asked about at once.")
    return given


def _told(image: SourceImage) -> dict[str, str]:
    return {"name": image.name, "about": image.describe()}
