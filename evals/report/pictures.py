"""The pictures of a report: each slice that a question or its boxes are on, once, as a small WebP.

Boxes are not drawn in: they go beside the picture in source pixels, and the page draws them. Keeps one opened
image at a time. Knows no page.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from foveate.agent.page import data_uri
from foveate.evals.contract.questions import Question, Region
from foveate.evals.inspect.images import source_key
from foveate.tools.imaging.errors import ImageError
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import overview, render

SIDES = ((400, 512), (2000, 352))
SMALLEST = 256
MAX_SLICES = 4
"""Pictures of one image of one question."""

Drawn = tuple[Hashable, str, int]


class Album:
    """Pictures by number, in the order in which they are first needed."""

    def __init__(self, questions: int) -> None:
        self._side = next((side for count, side in SIDES if questions <= count), SMALLEST)
        self._numbers: dict[Drawn, tuple[int, tuple[int, int]]] = {}
        self._fresh: list[str] = []
        self._opened: tuple[Hashable, SourceImage | None] = ("", None)

    def fresh(self) -> list[str]:
        """The pictures, as data URIs, that came since the last call."""
        made, self._fresh = self._fresh, []
        return made

    def pictures(
        self, question: Question, predicted: Sequence[Region], truth: Sequence[Region]
    ) -> list[dict[str, Any]]:
        """One record a picture: its number, its size in source pixels, a caption, and the boxes on it."""
        return [
            record
            for number in range(len(question.images))
            for record in self._of_image(question, number, predicted, truth)
        ]

    def _of_image(
        self, question: Question, number: int, predicted: Sequence[Region], truth: Sequence[Region]
    ) -> list[dict[str, Any]]:
        source = question.images[number]
        image = self._image(source_key(source), question, number)
        if image is None:
            return [{"picture": None, "caption": "the image cannot be opened", "size": [1, 1], "boxes": []}]
        plane = image.planes[0]
        first = image.slice_count(plane) // 2 if source.slice_index is None else source.slice_index
        kinds = {"truth": truth, "predicted": predicted, "marked": question.marked if number == 0 else ()}
        boxes = [
            (kind, region) for kind, given in kinds.items() for region in given if region.image == number
        ]
        places = dict.fromkeys([(plane, first), *(_place(region, plane) for _, region in boxes)])
        shown = list(places)[:MAX_SLICES]
        return [self._record(source_key(source), image, place, number, question, boxes) for place in shown]

    def _record(
        self,
        key: Hashable,
        image: SourceImage,
        place: tuple[str, int],
        number: int,
        question: Question,
        boxes: Sequence[tuple[str, Region]],
    ) -> dict[str, Any]:
        picture, size = self._picture(key, image, *place)
        words = [f"image {number + 1}"] if len(question.images) > 1 else []
        words += [f"{place[0]} slice {place[1]}"] if image.slice_count(place[0]) > 1 else []
        held = [
            {
                "kind": kind,
                "box": [round(v, 1) for v in region.box],
                "label": region.label,
                "score": region.score,
            }
            for kind, region in boxes
            if _on(region, place, image.planes[0])
        ]
        return {"picture": picture, "size": list(size), "caption": ", ".join(words), "boxes": held}

    def _picture(
        self, key: Hashable, image: SourceImage, plane: str, index: int
    ) -> tuple[int, tuple[int, int]]:
        drawn = key, plane, index
        if drawn not in self._numbers:
            view = overview(image, self._side, index, plane)
            self._numbers[drawn] = len(self._numbers), image.plane_size(plane)
            self._fresh.append(data_uri(render(view, image)))
        return self._numbers[drawn]

    def _image(self, key: Hashable, question: Question, number: int) -> SourceImage | None:
        if self._opened[0] != key:
            try:
                self._opened = key, question.images[number].open()
            except ImageError:
                self._opened = key, None
        return self._opened[1]


def _place(region: Region, plane: str) -> tuple[str, int]:
    """The slice on which a region is shown: the middle one of a 3-D box."""
    last = region.slice_index + 1 if region.slice_stop is None else region.slice_stop
    return region.plane or plane, (region.slice_index + last - 1) // 2


def _on(region: Region, place: tuple[str, int], opening: str) -> bool:
    last = region.slice_index + 1 if region.slice_stop is None else region.slice_stop
    return (region.plane or opening) == place[0] and region.slice_index <= place[1] < last
