"""Laws of measure and relate: what they say depends on the region, not on the way it was looked at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.tools.context import ToolContext, ToolError
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View, crop, flip_rotate, overview, zoom
from foveate.tools.measure import measure, size_of
from foveate.tools.relate import relate, relation

SIDE = 64
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above", "level": "level"}
OPPOSITE |= {"inside": "contains", "contains": "inside", "overlaps": "overlaps", "apart": "apart"}
PATIENT = {"right": "left", "left": "right", "anterior": "posterior", "posterior": "anterior"}


def ct(
    spacing: tuple[float, float, float] | None = (5.0, 1.5, 0.75), convention: str = "radiological"
) -> SourceImage:
    pixels = np.zeros((4, SIDE, SIDE), np.int16)
    return SourceImage(pixels, spacing, convention=convention, volume=True, patient_side_known=True)  # type: ignore[arg-type]


IMAGE = ct()


@st.composite
def boxes(draw: st.DrawFn, smallest: float = 1.0) -> tuple[float, float, float, float]:
    x0, y0 = draw(st.floats(0, SIDE - 2 * smallest)), draw(st.floats(0, SIDE - 2 * smallest))
    return x0, y0, draw(st.floats(x0 + smallest, SIDE)), draw(st.floats(y0 + smallest, SIDE))


def region(
    box: tuple[float, ...], name: str = "E1", slice_index: int = 2, image: SourceImage = IMAGE
) -> Evidence:
    view = overview(image, SIDE, slice_index, image.planes[0] if not image.volume else "axial")
    frame = view.frame
    found = seen_at(
        frame.from_source(frame.source.box(*box)), view, image, label=name, tool="test", view_name="V0"
    )
    return found.model_copy(update={"id": name})


@given(boxes(), boxes())
def test_relations_are_antisymmetric(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    there, back = relation(region(a), region(b, "E2"), IMAGE), relation(region(b, "E2"), region(a), IMAGE)
    assert back.horizontal == OPPOSITE[there.horizontal]
    assert back.vertical == OPPOSITE[there.vertical]
    assert back.overlap == OPPOSITE[there.overlap or ""]
    assert back.patient == tuple(PATIENT[direction] for direction in there.patient)
    assert back.ratio == pytest.approx(1 / there.ratio)
    assert back.slices == -there.slices


@given(boxes(), boxes(), st.floats(0.05, 0.5))
def test_relations_do_not_depend_on_the_scale(
    a: tuple[float, ...], b: tuple[float, ...], factor: float
) -> None:
    def shrunk(box: tuple[float, ...]) -> Evidence:
        # evidence keeps four decimals, so only the exact record is scaled here
        return region(box).model_copy(update={"box": tuple(v * factor for v in region(box).box)})

    before, after = relation(region(a), region(b), IMAGE), relation(shrunk(a), shrunk(b), IMAGE)
    assert after.ratio == pytest.approx(before.ratio)
    if min(abs(offset) for offset in margins(a, b)) > 1e-6:
        assert (after.horizontal, after.vertical) == (before.horizontal, before.vertical)


def margins(a: tuple[float, ...], b: tuple[float, ...]) -> list[float]:
    """How far each axis is from the edge between "level" and a side."""
    axes = ((a[0], a[2], b[0], b[2]), (a[1], a[3], b[1], b[3]))
    return [abs((p + q - r - s) / 2) - 0.25 * min(q - p, s - r) for p, q, r, s in axes]


@st.composite
def looks(draw: st.DrawFn) -> View:
    """A view of slice 2 after any few zooms, crops, flips and turns."""
    view = overview(IMAGE, 200, 2, "axial", upscale=True)
    for step in draw(st.lists(st.sampled_from(["zoom", "crop", "turn", "flip"]), max_size=4)):
        if step in ("turn", "flip"):
            view = flip_rotate(view, draw(st.integers(1, 3)) if step == "turn" else 0, step == "flip")
            continue
        frame = view.frame
        cut = draw(st.floats(0.02, 0.2))
        box = frame.box(frame.width * cut, frame.height * cut, frame.width, frame.height * (1 - cut))
        view = zoom(view, box, target_side=200) if step == "zoom" else crop(view, box)
    return view


@given(looks(), looks(), st.tuples(*[st.floats(0.05, 0.45)] * 4), st.tuples(*[st.floats(0.05, 0.45)] * 4))
def test_size_and_relation_are_the_same_through_any_view(
    first: View, second: View, low: tuple[float, ...], high: tuple[float, ...]
) -> None:
    """The same source regions, seen once through one view and once through the overview."""

    def through(view: View, share: tuple[float, ...]) -> Evidence:
        w, h = view.frame.width, view.frame.height
        box = view.frame.box(share[0] * w, share[1] * h, (1 - share[2]) * w, (1 - share[3]) * h)
        return seen_at(box, view, IMAGE, label="x", tool="test")

    a, b = through(first, low), through(second, high)
    plain_a, plain_b = region(a.box), region(b.box)
    assert size_of(a, IMAGE).longest == pytest.approx(size_of(plain_a, IMAGE).longest, abs=1e-3)
    if min(abs(margin) for margin in margins(a.box, b.box)) > 1e-3:
        seen, plain = relation(a, b, IMAGE), relation(plain_a, plain_b, IMAGE)
        assert (seen.horizontal, seen.vertical) == (plain.horizontal, plain.vertical)


@given(boxes(), st.floats(0.1, 10))
def test_millimetres_scale_with_the_spacing(box: tuple[float, ...], factor: float) -> None:
    near, far = ct((5.0, 1.0, 2.0)), ct((5.0, factor, 2.0 * factor))
    small, large = size_of(region(box, image=near), near), size_of(region(box, image=far), far)
    assert large.width == pytest.approx(small.width * factor)
    assert large.area == pytest.approx(small.area * factor**2)
    assert (large.longest >= large.width, large.longest >= large.height, small.unit) == (True, True, "mm")


@given(boxes())
def test_without_spacing_it_says_pixels(box: tuple[float, ...]) -> None:
    image = ct(None)
    size = size_of(region(box, image=image), image)
    assert size.unit == "pixels"
    assert size.width == pytest.approx(box[2] - box[0], abs=1e-3)


def test_width_is_along_rows_and_height_along_columns_in_their_own_spacing() -> None:
    size = size_of(region((10, 10, 20, 30)), IMAGE)
    assert (size.width, size.height) == (pytest.approx(7.5), pytest.approx(30.0))


@pytest.mark.parametrize(
    ("convention", "patient"),
    [("radiological", ("right", "anterior")), ("neurological", ("left", "anterior"))],
)
def test_the_upper_left_of_an_axial_slice_is_named_by_the_convention(
    convention: str, patient: tuple[str, ...]
) -> None:
    image = ct(convention=convention)
    a, b = region((5, 5, 15, 15), image=image), region((40, 40, 50, 50), image=image)
    found = relation(a, b, image)
    assert (found.horizontal, found.vertical, found.patient) == ("left", "above", patient)


def test_a_picture_has_no_anatomical_directions() -> None:
    image = SourceImage(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    a, b = (
        region((5, 5, 15, 15), slice_index=0, image=image),
        region((40, 5, 50, 15), slice_index=0, image=image),
    )
    assert relation(a, b, image).patient == ()


def test_regions_of_two_slices_have_no_overlap_but_a_direction() -> None:
    ctx = context({"E1": region((5, 5, 15, 15), slice_index=3), "E2": region((5, 5, 15, 15), "E2", 1)})
    facts = relate(ctx, "E1", "E2").facts
    assert (facts["overlap"], facts["slices"], facts["direction"]) == (None, 2, "superior")


def test_a_region_inside_another_is_inside() -> None:
    assert relation(region((20, 20, 30, 30)), region((10, 10, 50, 50)), IMAGE).overlap == "inside"


def test_regions_of_two_images_cannot_be_compared() -> None:
    with pytest.raises(ToolError, match="cannot be compared"):
        relation(region((5, 5, 15, 15)), region((5, 5, 15, 15), "E2", image=ct((1.0, 1.0, 1.0))), IMAGE)


def test_a_measured_box_becomes_a_region() -> None:
    made = measure(context({}), box=(10.0, 10.0, 20.0, 20.0))
    assert made.evidence[0].tool == "measure" and made.evidence[0].score is None
    assert made.facts["width"] == pytest.approx(7.5)


def test_a_region_is_measured_by_name_and_makes_nothing_new() -> None:
    made = measure(context({"E1": region((10, 10, 20, 20))}), region="E1")
    assert made.evidence == () and made.facts["id"] == "E1"


def test_one_region_is_not_compared_with_itself() -> None:
    with pytest.raises(ToolError, match="two different"):
        relate(context({"E1": region((1, 1, 5, 5))}), "E1", "E1")


def context(evidence: dict[str, Evidence]) -> ToolContext:
    store = ImageStore()
    store.put(IMAGE)
    # square millimetres: the overview at this size has one view pixel for 0.75 mm
    view = View(
        image_id=IMAGE.id,
        plane="axial",
        slice_index=2,
        region=(0, 0, SIDE, SIDE),
        source_size=(SIDE, SIDE),
        width=SIDE,
        height=SIDE,
        window=IMAGE.default_window,
    )
    return ToolContext(store, {"V0": view}, evidence)
