"""Label volumes turned as the opened image is, and regions of any plane as boxes and voxels of that volume.

A solid is (x0, y0, z0, x1, y1, z1) in voxel edges of the turned volume `[slice, row, col]`: x along columns,
y along rows, z along axial slices. Knows no benchmark and no score.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from foveate.evals.contract.questions import Region
from foveate.evals.tasks.reading import shown
from foveate.evals.tasks.records import Place
from foveate.tools.imaging.canonical import LPS_TO_RAS, canonical_volume
from foveate.tools.imaging.image import SourceImage

Solid = tuple[float, float, float, float, float, float]
Mask = npt.NDArray[np.bool_]


def label_dimensions(place: Place, path: Path) -> tuple[int, ...]:
    """A label file's shape, from its header. Raises DataFault."""
    import nibabel as nib

    try:
        return tuple(int(size) for size in nib.load(path).shape)  # type: ignore[attr-defined]
    except Exception:  # nibabel's text may hold the file's values
        raise place.fault("its mask cannot be read", "a NIfTI file") from None


@lru_cache(maxsize=4)
def read_labels(image: str, labels: str, channel: int | None = None) -> SourceImage:
    """Whole numbers [slice, row, col], turned as the opened image is; of one channel of a 4-D file.

    Raises DataFault when the file is not on the image's grid.
    """
    import nibabel as nib

    header: Any = nib.load(image)
    stored: Any = nib.load(labels)
    array = np.asarray(stored.dataobj if channel is None else stored.dataobj[channel]).astype(np.int16)
    if array.shape != header.shape[:3]:
        raise Place(shown(Path(labels))).fault("the mask has another size than its image", "the same grid")
    return canonical_volume(array, LPS_TO_RAS @ header.affine, "radiological", [])


def boxes_of(volume: SourceImage) -> tuple[Region, ...]:
    """A 3-D box of each label number, in axial slices."""
    found = []
    for where in ndimage.find_objects(volume.pixels.astype(np.int32)):
        if where is not None:
            slices, rows, cols = where
            box = (float(cols.start), float(rows.start), float(cols.stop), float(rows.stop))
            plane = None if volume.planes[0] == "axial" else "axial"
            found.append(Region(box, slice_index=slices.start, slice_stop=slices.stop, plane=plane))
    return tuple(found)


def solid(region: Region, volume: SourceImage) -> Solid:
    """A region of any plane in the volume; one without a last slice is one slice thick."""
    x0, y0, x1, y1 = region.box
    first = float(region.slice_index)
    last = first + 1 if region.slice_stop is None else float(region.slice_stop)
    plane = region.plane or volume.planes[0]
    if plane == "axial":
        return x0, y0, first, x1, y1, last
    # the rows of coronal and sagittal slices run from the head down
    low, high = volume.n_slices - y1, volume.n_slices - y0
    return (x0, first, low, x1, last, high) if plane == "coronal" else (first, x0, low, last, x1, high)


def hull(regions: Sequence[Region], volume: SourceImage) -> Solid | None:
    """The smallest solid that holds all regions; None without any."""
    if not regions:
        return None
    solids = np.array([solid(region, volume) for region in regions])
    low, high = solids[:, :3].min(axis=0), solids[:, 3:].max(axis=0)
    x0, y0, z0, x1, y1, z1 = (float(value) for value in (*low, *high))
    return x0, y0, z0, x1, y1, z1


def filled(regions: Sequence[Region], volume: SourceImage) -> Mask:
    """The voxels whose centre lies in any of the regions."""
    mask = np.zeros(volume.pixels.shape, dtype=bool)
    for region in regions:
        x0, y0, z0, x1, y1, z1 = (round(value) for value in solid(region, volume))
        mask[z0:z1, y0:y1, x0:x1] = True
    return mask
