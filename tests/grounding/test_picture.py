"""From a model's boxes on a picture to regions of a view."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL.Image import Image

from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.picture import (
    Corners,
    Overhang,
    PictureGrounder,
    Seen,
    to_picture,
    to_view,
    upright,
)
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View, crop, flip_rotate, overview

IMAGE = SourceImage(np.random.default_rng(0).integers(0, 255, (1, 40, 60)).astype(np.uint8))
CT = {"convention": "neurological", "patient_side_known": True, "volume": True, "modality": "CT"}
MIRRORED = SourceImage(IMAGE.pixels, **CT)  # type: ignore[arg-type]


class Saying:
    """A finder that says what it was given, and keeps the picture."""

    def __init__(self, *seen: Seen) -> None:
        self.seen = seen
        self.picture: Image | None = None

    def find(self, picture: Image, phrases: Sequence[str]) -> Sequence[Seen]:
        self.picture = picture
        return self.seen


def grounded(seen: Seen, overhang: Overhang = "error", view: View | None = None) -> object:
    view = view or overview(IMAGE, 60)
    return PictureGrounder("g", Saying(seen), "fixed_scale", overhang).ground(view, IMAGE, ["x"])[0]


@pytest.mark.parametrize(
    ("box", "told"),
    [
        ((0, 0, 61, 10), "outside its 60x40 picture"),
        ((-1, 0, 10, 10), "outside its"),
        ((70, 0, 80, 10), "outside its"),
        ((5, 5, 5, 10), "which is empty"),
        ((9, 5, 5, 10), "which is empty"),
        ((0, 0, math.nan, 10), "which is empty"),
    ],
)
def test_boxes_that_are_none(box: Corners, told: str) -> None:
    with pytest.raises(GrounderError, match=told):
        grounded(Seen([box], [0.5], False))


def test_where_a_convention_lets_boxes_reach_out_they_are_cut_and_counted() -> None:
    boxes = [(-5.0, 5.0, 20.0, 45.0), (60.0, 0.0, 70.0, 9.0), (3.0, 3.0, 3.0, 3.0), (1.0, 1.0, 2.0, 2.0)]
    found = grounded(Seen(boxes, [0.9, 0.8, 0.7, 0.95], False), "clip")
    assert [r.box.as_list() for r in found.regions] == [[1, 1, 2, 2], [0, 5, 20, 40]]  # type: ignore[attr-defined]
    assert found.detail == {"boxes_cut": 1, "boxes_outside": 1, "boxes_empty": 1}  # type: ignore[attr-defined]
    alone = grounded(Seen(boxes[1:2], [0.8], False), "clip")
    assert alone.absent is True and not alone.regions  # type: ignore[attr-defined]
    with pytest.raises(GrounderError, match="which is empty"):
        grounded(Seen([(9.0, 5.0, 5.0, 10.0)], [0.5]), "clip")


def test_a_model_reads_the_patients_right_on_the_left() -> None:
    view = flip_rotate(overview(MIRRORED, 60), 1)
    finder = Saying(Seen([(0.0, 0.0, 10.0, 5.0)], [0.5]))
    [found] = PictureGrounder("g", finder, "relative").ground(view, MIRRORED, ["x"])
    assert finder.picture is not None
    read = np.asarray(finder.picture.convert("L"))
    np.testing.assert_allclose(read.astype(int), MIRRORED.pixels[0, :, ::-1], atol=1)
    assert found.regions[0].box.to_source().as_tuple() == pytest.approx((50, 0, 60, 5))
    assert found.regions[0].box.frame == view.frame


def test_a_picture_of_no_numbers() -> None:
    image = SourceImage(np.full((1, 9, 9), np.nan, np.float32))
    with pytest.raises(GrounderError, match="not numbers"):
        PictureGrounder("g", Saying(), "relative").ground(overview(image, 9), image, ["x"])


FRACTION = st.floats(0, 1)


@given(
    st.tuples(FRACTION, FRACTION),
    st.tuples(*[st.floats(0.01, 1)] * 2),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
)
def test_to_the_picture_and_back(
    corner: tuple[float, float], size: tuple[float, float], turns: int, flip: bool, mirrored: bool
) -> None:
    image = MIRRORED if mirrored else IMAGE
    whole = overview(image, 60)
    view = flip_rotate(crop(whole, whole.frame.box(10, 4, 50, 36)), turns, flip)
    shown = upright(view, image)
    w, h = shown.width * size[0], shown.height * size[1]
    x, y = (shown.width - w) * corner[0], (shown.height - h) * corner[1]
    box = to_view((x, y, x + w, y + h), shown, view)
    assert box.frame == view.frame
    assert to_picture(box, shown) == pytest.approx((x, y, x + w, y + h), abs=1e-6)
