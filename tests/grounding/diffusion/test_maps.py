"""Laws of the sums and means of maps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foveate.tools.grounding.diffusion.maps import geometric_mean

MAPS = arrays(np.float64, (3, 2, 4, 5), elements=st.floats(-1, 10))


@given(MAPS)
def test_a_geometric_mean_agrees_with_the_root_of_the_product(maps: npt.NDArray[np.float64]) -> None:
    made = geometric_mean([torch.from_numpy(m) for m in maps]).numpy()
    assert made.shape == maps.shape[1:]
    np.testing.assert_allclose(made, np.prod(np.clip(maps, 0, None), axis=0) ** (1 / 3), rtol=1e-6, atol=1e-9)
    assert (made[(maps <= 0).any(0)] == 0).all()


@given(MAPS)
def test_it_lies_between_the_least_and_the_largest_and_does_not_mind_order(
    maps: npt.NDArray[np.float64],
) -> None:
    made = geometric_mean([torch.from_numpy(m) for m in maps]).numpy()
    clipped = np.clip(maps, 0, None)
    assert (made <= clipped.max(0) * (1 + 1e-9) + 1e-12).all()
    assert (made >= clipped.min(0) * (1 - 1e-9) - 1e-9).all()
    other = geometric_mean([torch.from_numpy(m) for m in maps[::-1].copy()]).numpy()
    np.testing.assert_allclose(made, other, rtol=1e-9, atol=1e-15)
