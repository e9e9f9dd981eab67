"""The pictures of a report: each slice that a question or its boxes are on, once, as a small WebP, and beside
it a grounder's heat map where the run recorded one.

Boxes are not drawn in: they go beside the picture in source pixels, and the page draws them. Keeps one opened
image at a time. Knows no page.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.Image import Image, Resampling, fromarray

from foveate.agent.page import data_uri
from foveate.evals.contract.answers import HeatMap
from foveate.evals.contract.questions import Question, Region
from foveate.evals.inspect.images import source_key
from foveate.evals.metrics.heatmaps import min_max
from foveate.tools.imaging.errors import ImageError
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.overlay import blend_heatmap
from foveate.tools.imaging.views import overview, render

SIDES = ((400, 512), (2000, 352))
SMALLEST = 256
MAX_SLICES = 4
"""Pictures of one image of one question, heat maps not counted."""

Boxes = Sequence[tuple[str, Region]]
Place = tuple[str, int]


class Album:
    """Pictures by number, in the order in which they are first needed."""

    def __init__(self, questions: int) -> None:
        self._side = next((side for count, side in SIDES if questions <= count), SMALLEST)
        self._numbers: dict[Hashable, int] = {}
        self._fresh: list[str] = []
        self._opened: tuple[Hashable, SourceImage | None] = ("", None)

    def fresh(self) -> list[str]:
        """The pictures, as data URIs, that came since the last call."""
        made, self._fresh = self._fresh, []
        return made

    def pictures(
        self,
        question: Question,
        predicted: Sequence[Region],
        truth: Sequence[Region],
        heat: HeatMap | None = None,
    ) -> list[dict[str, Any]]:
        """One record a picture: its number, its size in source pixels, a caption, and the boxes on it.
        `heat`, its file found, comes right after the slice that it is of."""
        return [
            record
            for number in range(len(question.images))
            for record in self._of_image(question, number, predicted, truth, heat)
        ]

    def _of_image(
        self,
        question: Question,
        number: int,
        predicted: Sequence[Region],
        truth: Sequence[Region],
        heat: HeatMap | None,
    ) -> list[dict[str, Any]]:
        source = question.images[number]
        key = source_key(source)
        image = self._image(key, question, number)
        if image is None:
            return [{"picture": None, "caption": "the image cannot be opened", "size": [1, 1], "boxes": []}]
        plane = image.planes[0]
        first = image.slice_count(plane) // 2 if source.slice_index is None else source.slice_index
        boxes = _boxes_of(question, number, predicted, truth)
        mapped = heat if heat is not None and heat.image == number else None
        warm = [] if mapped is None else [(plane, mapped.slice_index)]
        places = dict.fromkeys([(plane, first), *warm, *(_place(region, plane) for _, region in boxes)])
        made: list[dict[str, Any]] = []
        for place in list(places)[:MAX_SLICES]:
            record = self._record(key, image, place, number, question, boxes)
            made.append(record)
            if mapped is not None and place in warm:
                made.append(self._heated(record, (key, place, mapped.file), image, place, mapped))
        return made

    def _record(
        self,
        key: Hashable,
        image: SourceImage,
        place: Place,
        number: int,
        question: Question,
        boxes: Boxes,
    ) -> dict[str, Any]:
        picture = self._number((key, place), lambda: self._slice(image, place))
        words = [f"image {number + 1}"] if len(question.images) > 1 else []
        words += [f"{place[0]} slice {place[1]}"] if image.slice_count(place[0]) > 1 else []
        held = [
            {"kind": kind, "box": [round(v, 1) for v in r.box], "label": r.label, "score": r.score}
            for kind, r in boxes
            if _on(r, place, image.planes[0])
        ]
        size = list(image.plane_size(place[0]))
        return {"picture": picture, "size": size, "caption": ", ".join(words), "boxes": held}

    def _heated(
        self, record: dict[str, Any], key: Hashable, image: SourceImage, place: Place, heat: HeatMap
    ) -> dict[str, Any]:
        """The same slice and boxes under the heat map; says so where its file cannot be read."""
        caption = ", ".join(filter(None, ["heat map", record["caption"]]))
        try:
            picture = self._number(key, lambda: heated(self._slice(image, place), image, place[0], heat))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return {**record, "picture": None, "caption": "the heat map cannot be read", "boxes": []}
        return {**record, "picture": picture, "caption": caption, "heat": True}

    def _slice(self, image: SourceImage, place: Place) -> Image:
        return render(overview(image, self._side, place[1], place[0]), image)

    def _number(self, key: Hashable, make: Callable[[], Image]) -> int:
        if key not in self._numbers:
            self._fresh.append(data_uri(make()))
            self._numbers[key] = len(self._numbers)
        return self._numbers[key]

    def _image(self, key: Hashable, question: Question, number: int) -> SourceImage | None:
        if self._opened[0] != key:
            try:
                self._opened = key, question.images[number].open()
            except ImageError:
                self._opened = key, None
        return self._opened[1]


def _boxes_of(
    question: Question, number: int, predicted: Sequence[Region], truth: Sequence[Region]
) -> list[tuple[str, Region]]:
    """All boxes on one image of a question, with what they are."""
    kinds = {"truth": truth, "predicted": predicted, "marked": question.marked if number == 0 else ()}
    return [(kind, region) for kind, given in kinds.items() for region in given if region.image == number]


def _place(region: Region, plane: str) -> Place:
    """The slice on which a region is shown: the middle one of a 3-D box."""
    last = region.slice_index + 1 if region.slice_stop is None else region.slice_stop
    return region.plane or plane, (region.slice_index + last - 1) // 2


def _on(region: Region, place: Place, opening: str) -> bool:
    last = region.slice_index + 1 if region.slice_stop is None else region.slice_stop
    return (region.plane or opening) == place[0] and region.slice_index <= place[1] < last


def heated(picture: Image, image: SourceImage, plane: str, heat: HeatMap) -> Image:
    """A picture of a whole slice under its heat map, where that looked. One beyond 0 to 1 is min–max scaled.

    Raises OSError or ValueError for a file that holds none.
    """
    values = np.load(heat.file)["heat"].astype(np.float32)
    if np.nanmin(values) < 0 or np.nanmax(values) > 1:
        values = min_max(values)
    return blend_heatmap(picture, _spread(np.nan_to_num(values), picture.size, image.plane_size(plane), heat))


def _spread(
    values: npt.NDArray[np.float32], size: tuple[int, int], source: tuple[int, int], heat: HeatMap
) -> npt.NDArray[np.float32]:
    """The map (h, w) on the pixels of a picture of `size` (width, height) of a slice of `source` pixels; 0
    outside its extent."""
    across, down = size[0] / source[0], size[1] / source[1]
    x0, x1 = (round(x * across) for x in heat.extent[::2])
    y0, y1 = (round(y * down) for y in heat.extent[1::2])
    shown = np.zeros((size[1], size[0]), np.float32)
    part = fromarray(values).resize((max(1, x1 - x0), max(1, y1 - y0)), Resampling.BILINEAR)
    inside = shown[y0 : y0 + part.height, x0 : x0 + part.width]
    inside[:] = np.clip(np.asarray(part), 0.0, 1.0)[: inside.shape[0], : inside.shape[1]]
    return shown
