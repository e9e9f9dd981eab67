"""Changed slices: the way back by frames, words for sides, and wordings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.uncertainty.changes import AS_IT_IS, CHANGES, Change, changed, reworded
from foveate.tools.grounding.uncertainty.hypotheses import wordings
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.montage import montage
from foveate.tools.imaging.views import crop, flip_rotate, overview, render

MIRROR = next(change for change in CHANGES if change.mirror)


@pytest.fixture(scope="module")
def volume() -> SourceImage:
    """40 slices of 60 x 80 in which every voxel differs from its neighbours; the patient's right is left."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 80)).astype(np.int16)
    return SourceImage(
        pixels, spacing_mm=(3.0, 0.8, 0.8), volume=True, patient_side_known=True, convention="radiological"
    )


@given(st.sampled_from(CHANGES), st.integers(0, 3), st.booleans(), st.sampled_from(["axial", "coronal"]))
def test_a_box_comes_back_to_the_pixels_it_was_on(
    volume: SourceImage, change: Change, turns: int, flip: bool, plane: str
) -> None:
    view = flip_rotate(overview(volume, 96, 7, plane, upscale=True), turns, flip)
    other = changed(volume, view, change)
    box = other.view.frame.box(11, 9, 30, 25)
    back = other.back(box, view)
    assert back is not None and back.frame == view.frame
    x0, y0, x1, y1 = (round(v) for v in back.to_source().as_tuple())
    a0, b0, a1, b1 = (round(v) for v in box.to_source().as_tuple())
    seen = other.image.plane_pixels(other.view.plane, other.view.slice_index)[b0:b1, a0:a1]
    seen = seen[:, ::-1] if change.mirror else seen
    assert np.array_equal(volume.plane_pixels(plane, 7)[y0:y1, x0:x1], seen)
    assert other.image.sides(plane) == volume.sides(plane)


def test_a_mirrored_slice_looks_mirrored(volume: SourceImage) -> None:
    view = overview(volume, 80, 7)
    other = changed(volume, view, MIRROR)
    shown, turned = (np.asarray(render(v, i)) for v, i in ((view, volume), (other.view, other.image)))
    assert np.array_equal(shown[:, ::-1], turned)


def test_scale_is_of_millimetres_and_field_of_the_view(volume: SourceImage) -> None:
    view = crop(overview(volume, 80, 7), overview(volume, 80, 7).frame.box(10, 10, 60, 50))
    other = changed(volume, view, Change("near", field=0.5, at=(0.0, 1.0), scale=1.1))
    assert other.view.region == pytest.approx((10, 30, 35, 50))
    assert other.image.plane_spacing("axial") == pytest.approx((0.88, 0.88))
    assert (other.view.width, other.view.height) == (view.width, view.height)


def test_what_the_view_does_not_show_does_not_come_back(volume: SourceImage) -> None:
    whole = overview(volume, 80, 7)
    part = crop(whole, whole.frame.box(0, 0, 20, 20))
    other = changed(volume, whole, MIRROR)
    assert other.back(other.view.frame.box(0, 0, 10, 10), part) is None
    with pytest.raises(GrounderError, match="one of the montage's slices"):
        changed(volume, montage(whole, volume, (1, 2), 400), AS_IT_IS)


@given(st.sampled_from(["left kidney", "Right upper lobe", "LEFT lung, not the right one", "liver", "cleft"]))
def test_mirrored_twice_is_said_as_before(phrase: str) -> None:
    assert reworded(reworded(phrase, MIRROR), MIRROR) == phrase
    assert (reworded(phrase, MIRROR) != phrase) == any(w in phrase.lower().split() for w in ("left", "right"))
    assert reworded(phrase, AS_IT_IS) == phrase


def test_the_lumbar_spine_has_no_side() -> None:
    assert [reworded(p, MIRROR) for p in ("L spine", "L-spine", "L kidney")] == [
        "L spine",
        "L-spine",
        "R kidney",
    ]


@given(
    st.sampled_from(
        ["spleen", "Spleen", "lien", "Lien", "left thigh bone", "something unheard of", "the aorta"]
    ),
    st.integers(1, 4),
)
def test_wordings_begin_with_the_phrase_and_differ(phrase: str, count: int) -> None:
    made = wordings(phrase, count)
    assert made[0] == phrase and len(made) <= count
    assert len({each.lower() for each in made}) == len(made) >= min(count, 3)
