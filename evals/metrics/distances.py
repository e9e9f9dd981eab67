"""How far predicted instances lie from true ones, in millimetres: by their centres or by their surfaces.

ReXGroundingCT's distance metric takes centres for focal findings and surfaces for others; a pair counts
within twice the largest voxel step. Label maps are integers [axis 0, 1, 2], 0 for background. Knows no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from foveate.evals.metrics.masks import LabelMap, Mask
from foveate.evals.metrics.matching import Counts, count_matches

Floats = npt.NDArray[np.float64]


def centre_distances(predicted: LabelMap, truth: LabelMap, spacing: Sequence[float]) -> Floats:
    """Distance of centres of mass of each predicted with each true instance -> (predicted, true) in mm."""
    given, wanted = _centres(predicted, spacing), _centres(truth, spacing)
    return np.asarray(np.linalg.norm(given[:, None] - wanted[None, :], axis=2))


def surface_distances(predicted: LabelMap, truth: LabelMap, spacing: Sequence[float]) -> Floats:
    """Average symmetric surface distance of each predicted with each true instance, in mm.

    The mean over all surface voxels of both of the distance to the other's nearest one (Heimann et al.,
    2009). A surface voxel has a face that touches the outside.
    """
    given, wanted = _surfaces(predicted, spacing), _surfaces(truth, spacing)
    apart = [_surfaces_apart(one, other) for one in given for other in wanted]
    return np.array(apart, dtype=np.float64).reshape(len(given), len(wanted))


def distance_counts(distances: Floats, limit: float) -> Counts:
    """Pairs matched one to one within `limit` mm, near ones first; the rest is left over."""
    return count_matches(limit / (limit + distances), 0.5)


def _instances(labels: LabelMap) -> Iterator[tuple[Mask, npt.NDArray[np.intp]]]:
    """Each instance's mask in the smallest block that holds it, and the block's corner, by number."""
    from scipy import ndimage  # slow to import, and not needed to list tasks

    for number, window in enumerate(ndimage.find_objects(labels.astype(np.int32)), start=1):
        if window is not None:
            yield labels[window] == number, np.array([part.start for part in window])


def _centres(labels: LabelMap, spacing: Sequence[float]) -> Floats:
    found = [_centre(mask) + corner for mask, corner in _instances(labels)]
    return np.asarray(np.array(found, dtype=np.float64).reshape(-1, labels.ndim) * np.asarray(spacing))


def _centre(mask: Mask) -> Floats:
    """The mean index along each axis, without a list of all voxels: a box may be a whole volume."""
    sums = [mask.sum(axis=tuple(a for a in range(mask.ndim) if a != axis)) for axis in range(mask.ndim)]
    return np.array([float(np.average(np.arange(held.size), weights=held)) for held in sums])


def _surfaces(labels: LabelMap, spacing: Sequence[float]) -> list[Floats]:
    """The surface voxels of each instance, in millimetres (n, 3)."""
    return [(np.argwhere(_surface(m)) + corner) * np.asarray(spacing) for m, corner in _instances(labels)]


def _surface(mask: Mask) -> Mask:
    from scipy import ndimage

    inner = ndimage.binary_erosion(np.pad(mask, 1))
    return np.asarray(mask & ~inner[(slice(1, -1),) * mask.ndim])


def _surfaces_apart(one: Floats, other: Floats) -> float:
    from scipy.spatial import KDTree

    there, back = KDTree(other).query(one)[0], KDTree(one).query(other)[0]
    return float((there.sum() + back.sum()) / (there.size + back.size))
