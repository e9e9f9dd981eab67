"""How far off is a box that `transfer` carries to another modality? `python -m foveate.evals.bench.transfer`.

No registered pair of two modalities is to be had here, so the second one is made (`modality.py`): no
function of the first, noisy, turned, moved, and bent by a smooth field that a rigid registration cannot
follow. True boxes are those of the labels after the same deformation. Beside the tool: the box left where
it was, and under the true rigid transform, which is the most that a rigid registration could reach. Needs
the data folder; labels are TotalSegmentator's output and the patients are three.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from foveate.evals.bench.modality import Corners, box_of, second
from foveate.evals.metrics.bootstrap import bootstrap_mean
from foveate.evals.metrics.boxes import box_iou
from foveate.evals.tasks import pocket_c
from foveate.evals.tasks.labelled import LabelledVolume, open_labelled, read_names
from foveate.tools.context import ToolContext, ToolError
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import overview
from foveate.tools.multi.planes import pair_of_planes, plane_of
from foveate.tools.multi.registration import register
from foveate.tools.multi.transfer import AGREES_ACROSS, transfer

BENDS_MM = (0.0, 3.0, 6.0)
"""The largest displacement of the deformation, one arm each."""
LEAST_PIXELS = 80
TESTS = "raw/tests/reference_files"


@dataclass(frozen=True)
class Carried:
    """One box. IoU with the true box `by` the tool, `left` where it was, and under the true `rigid`
    transform; 0 where nothing is left. `error`: of the box's middle, in mm, and `told` the uncertainty that
    the tool gave with it; None where the tool refused."""

    slice: str
    modality: str
    bend: float
    label: int
    by: float
    left: float
    rigid: float
    error: float | None
    told: float | None
    agreement: float | None


def volumes(data: Path) -> list[LabelledVolume]:
    """B and C (CT), and the MR volume, with their labels."""
    names = read_names(data / pocket_c.CLASS_MAP)
    mr = read_names(data / pocket_c.CLASS_MAP, "total_mr")
    tests = data / TESTS
    return [
        open_labelled("B", tests / "example_ct.nii.gz", tests / "example_seg_fast_force_split.nii.gz", names),
        open_labelled("C", data / pocket_c.SERIES, data / pocket_c.LABELS, names),
        open_labelled("MR", tests / "example_mr_sm.nii.gz", tests / "example_seg_mr.nii.gz", mr, "MR"),
    ]


def first(volume: LabelledVolume, index: int) -> SourceImage:
    """One axial slice as an image of its own."""
    row, col = volume.image.plane_spacing("axial") or (1.0, 1.0)
    pixels = volume.image.plane_pixels("axial", index)[None]
    return SourceImage(pixels, (1.0, row, col), modality=volume.modality, native_plane="axial")


def carried(volume: LabelledVolume, index: int, bend: float, count: int) -> Iterator[Carried]:
    """The largest structures of a slice, carried by the tool."""
    image, labels = first(volume, index), volume.slice_labels("axial", index).astype(np.int64)
    rng = np.random.default_rng([index, round(bend * 10), len(volume.name)])
    other = second(image, labels, bend, rng)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    for label in np.argsort(-sizes)[:count]:
        truth = box_of(other.labels == label)
        if sizes[label] < LEAST_PIXELS or truth is None:
            continue
        source = box_of(labels == label)
        assert source is not None
        made, error, told, agreement = _by_tool(image, other.image, source, truth)
        yield Carried(
            slice=f"{volume.name}/{index}",
            modality=volume.modality,
            bend=bend,
            label=int(label),
            by=0.0 if made is None else float(box_iou(made, truth)),
            left=float(box_iou(source, truth)),
            rigid=float(box_iou(other.rigid.map_box(*source), truth)),
            error=error,
            told=told,
            agreement=agreement,
        )


def _by_tool(
    image: SourceImage, other: SourceImage, box: Corners, truth: Corners
) -> tuple[Corners | None, float | None, float | None, float | None]:
    """(the box, its error in mm, the uncertainty told, the agreement); all None where the tool refuses."""
    try:
        artifact = transfer(*_context(image, other, box))
    except ToolError:
        return None, None, None, None
    made = artifact.evidence[0].box
    row, col = other.plane_spacing("axial") or (1.0, 1.0)
    dx, dy = ((made[i] + made[i + 2] - truth[i] - truth[i + 2]) / 2 for i in (0, 1))
    error = float(np.hypot(dx * col, dy * row))
    return made, error, artifact.facts["uncertainty"], artifact.facts["agreement"]


def _context(
    image: SourceImage, other: SourceImage, box: Corners
) -> tuple[ToolContext, None, Corners, str, str]:
    """The arguments of a call that carries a source box of `image` to `other`."""
    store = ImageStore()
    for each in (image, other):
        store.put(each)
    views = {"V0": overview(other, 1024), "V1": overview(image, 1024)}
    frame = views["V1"].frame
    return ToolContext(store, views), None, frame.from_source(frame.source.box(*box)).as_tuple(), "V1", "V0"


def strangers(of: Sequence[LabelledVolume], count: int) -> list[float]:
    """Agreements that `transfer` would judge, of slices of each volume with those of the next one in another
    modality: what should be refused."""
    found = []
    for mine, theirs in zip(of, [*of[1:], of[0]], strict=True):
        for i, j in zip(spread(mine, count), spread(theirs, count), strict=True):
            labels = theirs.slice_labels("axial", j).astype(np.int64)
            other = second(first(theirs, j), labels, 0.0, np.random.default_rng([i, j]))
            planes = pair_of_planes(plane_of(first(mine, i), "axial", 0), plane_of(other.image, "axial", 0))
            found.append(register(*planes, "rigid", across=True).agreement)
    return found


def spread(volume: LabelledVolume, count: int) -> list[int]:
    """Evenly spaced slices without the ends."""
    return [int(index) for index in np.linspace(0, volume.image.n_slices - 1, count + 2)[1:-1]]


def report(found: Sequence[Carried], stranger: Sequence[float]) -> list[str]:
    """The lines that are printed; intervals resample slices."""
    lines = []
    for bend in sorted({one.bend for one in found}):
        for kind in ("CT", "MR"):
            here = [one for one in found if (one.bend, one.modality) == (bend, kind)]
            if not here:
                continue
            lines.append(f"== {kind} to another, bent by at most {bend:g} mm: {len(here)} boxes")
            for name in ("by", "left", "rigid"):
                mean = bootstrap_mean([getattr(one, name) for one in here], [one.slice for one in here])
                lines.append(f"  mIoU {name:<6}{mean.estimate:.3f} [{mean.low:.3f}, {mean.high:.3f}]")
            told = [(o.error, o.told) for o in here if o.error is not None and o.told is not None]
            if told:
                errors, spreads = np.array(told).T
                lines.append(
                    f"  error of the middle: median {np.median(errors):.1f} mm, 90 % within "
                    f"{np.percentile(errors, 90):.1f}; told {np.median(spreads):.1f} in the median, "
                    f"at least the error in {np.mean(spreads >= errors):.0%}"
                )
            agreed = [one.agreement for one in here if one.agreement is not None]
            lines.append(f"  refused {len(here) - len(agreed)}; agreement at least {min(agreed):.3f}")
    refused = sum(value < AGREES_ACROSS for value in stranger)
    spread_of = f"agreement {min(stranger):.3f} to {max(stranger):.3f}"
    return [*lines, f"slices of two patients: refused {refused} of {len(stranger)}; {spread_of}"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write `transfer.json`."""
    parser = argparse.ArgumentParser(prog="python -m foveate.evals.bench.transfer", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--slices", type=int, default=4, help="slices of a volume")
    parser.add_argument("--boxes", type=int, default=2, help="structures of a slice, the largest")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    if not (options.data / pocket_c.SERIES).exists():
        parser.error(f"{options.data} does not hold the patients; run: python -m foveate.pocket.data")
    of = volumes(options.data)
    found = [
        one
        for bend in BENDS_MM
        for volume in of
        for index in spread(volume, options.slices)
        for one in carried(volume, index, bend, options.boxes)
    ]
    stranger = strangers(of, options.slices)
    print("\n".join(report(found, stranger)))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        told = {"boxes": [asdict(one) for one in found], "strangers": stranger}
        (options.out / "transfer.json").write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
