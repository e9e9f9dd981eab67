"""Laws of frames and boxes."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from foveate.tools.imaging.frames import Affine2D, Box, BoxError, Frame

number = st.floats(-1e3, 1e3)
scale = st.floats(0.01, 100) | st.floats(-100, -0.01)


def affines() -> st.SearchStrategy[Affine2D]:
    straight = st.builds(lambda a, e, c, f: Affine2D(a, 0, c, 0, e, f), scale, scale, number, number)
    turned = st.builds(lambda b, d, c, f: Affine2D(0, b, c, d, 0, f), scale, scale, number, number)
    return straight | turned


def frame(width: float = 100, height: float = 50, affine: Affine2D | None = None) -> Frame:
    return Frame("view-x", width, height, affine or Affine2D.identity(), "abc", "axial", 3, (width, height))


@given(affines(), number, number)
def test_an_inverse_undoes_its_affine(affine: Affine2D, x: float, y: float) -> None:
    back = affine.inverse().apply(*affine.apply(x, y))
    assert back == pytest.approx((x, y), abs=1e-6)


@given(affines(), affines(), number, number)
def test_composition_applies_the_right_one_first(p: Affine2D, q: Affine2D, x: float, y: float) -> None:
    assert (p @ q).apply(x, y) == pytest.approx(p.apply(*q.apply(x, y)), rel=1e-9, abs=1e-5)


@given(affines(), affines(), affines(), number, number)
def test_composition_is_associative(p: Affine2D, q: Affine2D, r: Affine2D, x: float, y: float) -> None:
    left, right = (p @ q) @ r, p @ (q @ r)
    assert left.apply(x, y) == pytest.approx(right.apply(x, y), rel=1e-6, abs=1e-3)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=4, max_size=4))
def test_a_box_is_inside_its_frame_or_an_error_with_the_numbers(numbers: list[float]) -> None:
    try:
        box = frame().box(*numbers)
    except BoxError as error:
        assert "100x50" in str(error) and "view-x" in str(error)
        return
    assert 0 <= box.x0 < box.x1 <= 100 and 0 <= box.y0 < box.y1 <= 50
    assert box.as_list() == pytest.approx(numbers, abs=1.1e-6)


@pytest.mark.parametrize(
    ("numbers", "word"),
    [
        ((10, 10, 10, 20), "empty"),
        ((20, 10, 10, 20), "empty"),
        ((math.nan, 0, 1, 1), "finite"),
        ((0, 0, math.inf, 1), "finite"),
        ((-1, 0, 10, 10), "reaches outside"),
        ((0, 0, 100.1, 50), "reaches outside"),
        ((100, 0, 120, 50), "lies outside"),
        ((0, 600, 10, 700), "lies outside"),
        ((-2e-7, 0, -1e-7, 10), "outside"),
    ],
)
def test_a_wrong_box_is_told_and_never_clamped(numbers: tuple[float, ...], word: str) -> None:
    with pytest.raises(BoxError, match=word):
        frame().box(*numbers)


def test_rounding_over_the_edge_is_not_an_error() -> None:
    assert frame().box(-1e-7, 0, 100 + 1e-7, 50).as_list() == [0, 0, 100, 50]


@given(st.floats(0, 40), st.floats(0, 20), st.floats(1, 50), st.floats(1, 25))
def test_a_box_goes_to_the_source_and_back(x: float, y: float, w: float, h: float) -> None:
    view = Frame("v", 100, 50, Affine2D(0.5, 0, 7, 0, 0.25, 3), "abc", "axial", 0, (100, 50))
    box = view.box(x, y, x + w, y + h)
    assert view.from_source(view.to_source(box)).as_list() == pytest.approx(box.as_list(), abs=1e-9)


def test_only_the_visible_part_of_a_source_box_comes_into_a_view() -> None:
    view = Frame("v", 20, 20, Affine2D(1, 0, 10, 0, 1, 10), "abc", "axial", 0, (100, 100))
    inside = view.from_source(view.source.box(0, 15, 20, 90))
    assert inside.as_list() == [0, 5, 10, 20]
    with pytest.raises(BoxError, match="not visible"):
        view.from_source(view.source.box(50, 50, 60, 60))


def test_boxes_of_other_frames_are_refused() -> None:
    one, other = frame(), Frame("w", 100, 50, Affine2D.identity(), "abc", "axial", 4, (100, 50))
    with pytest.raises(BoxError):
        one.to_source(other.whole())
    with pytest.raises(BoxError):
        one.from_source(other.whole().to_source())
    with pytest.raises(BoxError):
        one.whole().iou(other.whole())


boxes = st.tuples(st.floats(0, 90), st.floats(0, 40), st.floats(1, 10), st.floats(1, 10)).map(
    lambda t: frame().box(t[0], t[1], t[0] + t[2], t[1] + t[3])
)


@given(boxes, boxes)
def test_iou_is_symmetric_and_bounded(a: Box, b: Box) -> None:
    assert a.iou(b) == pytest.approx(b.iou(a))
    assert 0 <= a.iou(b) <= 1
    assert a.iou(a) == pytest.approx(1)


def test_iou_of_known_boxes() -> None:
    a, b = frame().box(0, 0, 10, 10), frame().box(5, 0, 15, 10)
    assert a.iou(b) == pytest.approx(1 / 3)
    assert a.iou(frame().box(20, 0, 30, 10)) == 0
    assert (a.width, a.height, a.area, a.center) == (10, 10, 100, (5, 5))


@given(affines())
def test_flips_and_turns_keep_boxes_exact(affine: Affine2D) -> None:
    x0, y0, x1, y1 = affine.map_box(1, 2, 5, 9)
    assume(x1 - x0 > 1e-3)
    assert (x1 - x0) * (y1 - y0) == pytest.approx(
        4 * 7 * abs(affine.a * affine.e - affine.b * affine.d), rel=1e-6, abs=1e-6
    )
