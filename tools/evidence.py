"""Evidence: a box in source pixels with where it was seen, which tool call it came from and what its score
means.

Knows nothing of claims or answers; names ("E1") are given by whoever keeps the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from foveate.tools.imaging.frames import Box
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

EvidenceScore = Literal["fixed_scale", "relative", "none"]
Corners = tuple[float, float, float, float]


class Evidence(BaseModel):
    """One region of one source slice.

    `box` is (x0, y0, x1, y1) in source pixels of `slice` in `plane` of the image with id `image`; `mm` its
    extent (x0, y0, z0, x1, y1, z1) in patient millimetres (LPS) where the file has them. `view` is the name
    of the view it was seen in and `seen_in` that view's id; `step` the tool call that made it. `score` is
    None with `score_kind` "none" where nothing was scored (a box that the model or the user drew).
    """

    model_config = ConfigDict(frozen=True)

    id: str = ""
    image: str
    slice: int
    plane: str
    box: Corners
    frame: Literal["source_pixels"] = "source_pixels"
    mm: tuple[float, float, float, float, float, float] | None = None
    label: str
    score: float | None = None
    score_kind: EvidenceScore = "none"
    tool: str
    step: int = 0
    view: str = ""
    seen_in: str

    def source_box(self, image: SourceImage) -> Box:
        """The box in the frame of its source slice."""
        return image.source_frame(self.plane, self.slice).box(*self.box)


def seen_at(
    box: Box, view: View, image: SourceImage, *, label: str, tool: str, view_name: str = ""
) -> Evidence:
    """Unscored evidence for a box of a view's frame."""
    source = view.frame.to_source(box)
    extent = image.box_to_patient(source)
    return Evidence(
        image=view.image_id,
        slice=source.frame.slice_index,
        plane=view.plane,
        box=_short(source.as_list()),
        mm=None if extent is None else _short(extent),
        label=label,
        tool=tool,
        view=view_name,
        seen_in=view.id,
    )


def named(evidence: Evidence, name: str, made: Mapping[str, View], step: int = 0) -> Evidence:
    """The evidence with its name; one on a view that the same call `made` gets that view's name as well."""
    views = {view.id: known for known, view in made.items()}
    view = evidence.view or views.get(evidence.seen_in, "")
    return evidence.model_copy(update={"id": name, "step": step, "view": view})


def _short(numbers: list[float]) -> tuple[float, ...]:
    # a ten-thousandth of a pixel is below every rounding upstream and keeps the state small
    return tuple(round(number, 4) for number in numbers)
