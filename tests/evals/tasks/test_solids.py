"""Regions of any plane and the voxels that they show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.contract.questions import Region
from foveate.evals.tasks.solids import filled, hull, solid
from foveate.tools.imaging.image import SourceImage

VOLUME = SourceImage(np.zeros((5, 6, 7), np.int16), volume=True, spacing_mm=(1.0, 1.0, 1.0))


@given(st.sampled_from(["axial", "coronal", "sagittal"]), st.data())
def test_a_region_covers_the_voxels_that_its_plane_shows(plane: str, data: st.DataObject) -> None:
    width, height = VOLUME.plane_size(plane)
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    index = data.draw(st.integers(0, VOLUME.slice_count(plane) - 1))
    mask = filled([Region((x0, y0, x1, y1), slice_index=index, plane=plane)], VOLUME)
    shown = SourceImage(mask.astype(np.uint8), volume=True).plane_pixels(plane, index)
    wanted = np.zeros((height, width))
    wanted[y0:y1, x0:x1] = 1
    assert np.array_equal(shown, wanted) and mask.sum() == wanted.sum()


def test_the_hull_of_boxes_in_two_planes_holds_both() -> None:
    axial = Region((1, 2, 4, 5), slice_index=3)
    coronal = Region((0, 1, 2, 3), slice_index=1, plane="coronal")
    assert solid(axial, VOLUME) == (1, 2, 3, 4, 5, 4)
    assert solid(coronal, VOLUME) == (0, 1, 2, 2, 2, 4)
    assert hull([axial, coronal], VOLUME) == (0, 1, 2, 4, 5, 4)
    assert hull([], VOLUME) is None


def test_a_stack_is_as_thick_as_it_says() -> None:
    region = Region((1, 2, 4, 5), slice_index=1, slice_stop=4)
    assert filled([region], VOLUME).sum() == 3 * 3 * 3
    assert solid(region, VOLUME) == pytest.approx((1, 2, 1, 4, 5, 4))
