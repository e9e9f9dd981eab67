"""mis-ground's pictures: marks lie on their structures in both conventions, controls show nothing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from foveate.evals.tasks.mis_ground_items import Item, Mark, Question
from foveate.evals.tasks.mis_ground_pictures import SIDE, pictures, slice_picture
from foveate.evals.tasks.spatial import Convention

from .bodies import body

BODY = body()
ITEM = Item("body", "direction", "axial", (20,), 1, 2, 0, True, 0)
ORANGE, BLUE = np.array([230, 159, 0]), np.array([86, 180, 233])


def asked(mark: Mark = "none", convention: Convention = "viewing", item: Item = ITEM) -> list[Image.Image]:
    return pictures(BODY, Question(item, convention, mark, "anatomical", False))


@pytest.mark.parametrize("convention", ["viewing", "storage"])
@pytest.mark.parametrize("mark", ["mask", "box", "point", "letter"])
def test_marks_change_the_picture_at_their_structures_only(mark: Mark, convention: Convention) -> None:
    plain, marked = (np.asarray(asked(m, convention)[0], int) for m in ("none", mark))
    _, masks = slice_picture(BODY, "axial", 20, convention == "storage", [1, 2])
    changed = (plain != marked).any(-1)
    near = np.zeros_like(changed)
    for mask in masks:
        rows, cols = np.nonzero(mask)
        near[rows.min() - 14 : rows.max() + 15, cols.min() - 14 : cols.max() + 15] = True
        assert changed[mask].any()
    assert not changed[~near].any()


def test_the_first_colour_marks_the_first_structure() -> None:
    shown = np.asarray(asked("point")[0], int)
    _, (liver, spleen) = slice_picture(BODY, "axial", 20, False, [1, 2])
    assert liver[(shown == ORANGE).all(-1)].all() and (shown == ORANGE).all(-1).any()
    assert spleen[(shown == BLUE).all(-1)].all() and (shown == BLUE).all(-1).any()


def test_storage_is_the_array_in_ras_order() -> None:
    viewed, stored = asked()[0], asked(convention="storage")[0]
    ras = np.asarray(viewed)[::-1, ::-1].transpose(1, 0, 2)
    assert np.array_equal(np.asarray(stored), ras)


def test_the_patients_right_is_on_the_left_of_the_view() -> None:
    _, (liver, spleen) = slice_picture(BODY, "axial", 20, False, [1, 2])
    assert np.nonzero(liver)[1].max() < np.nonzero(spleen)[1].min()


def test_square_millimetres_and_size() -> None:
    item = Item("body", "direction", "coronal", (30,), 1, 2, 0, True, 0)
    width, height = asked(item=item)[0].size
    assert max(width, height) == SIDE
    assert width / height == pytest.approx(64 * 2 / (32 * 4), rel=0.01)


def test_two_slices_give_two_pictures_with_one_mark_each() -> None:
    item = Item("body", "across", "axial", (20, 10), 1, 3, 2, False, 0)
    first, second = (np.asarray(picture, int) for picture in asked("point", item=item))
    assert (first == ORANGE).all(-1).any() and not (first == BLUE).all(-1).any()
    assert (second == BLUE).all(-1).any() and not (second == ORANGE).all(-1).any()


def test_controls_show_nothing() -> None:
    blank = pictures(BODY, Question(ITEM, "viewing", "none", "anatomical", False, "blank"))[0]
    assert blank.size == asked()[0].size and len(blank.getcolors() or []) == 1
    assert pictures(BODY, Question(ITEM, "viewing", "none", "anatomical", False, "text")) == []
