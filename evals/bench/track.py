"""A box followed through slices, against what is known to be there: `python -m foveate.evals.bench.track`.

The real nodule of patient A (mean of the readers' boxes, from the middle slice) and the structures of patient
C (TotalSegmentator's labels, from each one's middle slice). Scored on every slice that either has, 0 where
one of them has none; beside it the first box kept on all slices that are searched, and kept on the right ones
(which needs to know them). Two patients: the numbers say little about others. Needs the data folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from foveate.evals.metrics.bootstrap import bootstrap_mean
from foveate.evals.metrics.boxes import box_iou
from foveate.evals.tasks import pocket_c, pocket_nodule
from foveate.evals.tasks.labelled import open_labelled, read_names
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import open_image
from foveate.tools.multi.following import follow
from foveate.tools.multi.planes import gray

Corners = tuple[float, float, float, float]
REACH = 12
LEAST_SLICES = 5


@dataclass(frozen=True)
class Followed:
    """Mean IoU over the slices that truth or tracker have; `kept` and `kept_right` of the first box kept on
    all searched and on the true slices. `slices`: IoU of the ranges of slices."""

    name: str
    iou: float
    kept: float
    kept_right: float
    slices: float
    true_slices: int


def followed(image: SourceImage, name: str, truth: dict[int, Corners]) -> Followed:
    """One thing, from its middle slice."""
    indices = sorted(truth)
    start, last = indices[len(indices) // 2], image.n_slices - 1
    steps = follow(lambda index: gray(image.plane_pixels("axial", index)), start, truth[start], last, REACH)
    found = {step.slice_index: step.corners for step in steps}
    near = {index: box for index, box in truth.items() if abs(index - start) <= REACH}
    searched = range(max(0, start - REACH), min(last, start + REACH) + 1)
    return Followed(
        name=name,
        iou=_mean(found, near),
        kept=_mean(dict.fromkeys(searched, truth[start]), near),
        kept_right=_mean(dict.fromkeys(near, truth[start]), near),
        slices=len(set(found) & set(near)) / len(set(found) | set(near)),
        true_slices=len(near),
    )


def _mean(found: dict[int, Corners], truth: dict[int, Corners]) -> float:
    either = set(found) | set(truth)
    both = set(found) & set(truth)
    return sum(float(box_iou(found[index], truth[index])) for index in both) / len(either)


def nodule(data: Path) -> Followed:
    """Against the mean of the readers' boxes on the slices that at least two of them marked."""
    boxes = {i: each for i, each in pocket_nodule.reader_boxes(data).items() if len(each) > 1}
    truth: dict[int, Corners] = {
        index: tuple(float(value) for value in np.mean(each, axis=0))  # type: ignore[misc]
        for index, each in boxes.items()
    }
    return followed(open_image(data / pocket_nodule.CT), "nodule", truth)


def structures(data: Path) -> list[Followed]:
    """Every structure of patient C that is on at least five slices."""
    names = read_names(data / pocket_c.CLASS_MAP)
    volume = open_labelled("C", data / pocket_c.SERIES, data / pocket_c.LABELS, names)
    truth: dict[str, dict[int, Corners]] = {}
    for index in range(volume.image.n_slices):
        for name, extent in pocket_c.visible(volume, index).items():
            truth.setdefault(name, {})[index] = extent.box
    long = {name: boxes for name, boxes in truth.items() if len(boxes) >= LEAST_SLICES}
    return [followed(volume.image, name, boxes) for name, boxes in sorted(long.items())]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write `track.json`."""
    parser = argparse.ArgumentParser(prog="python -m foveate.evals.bench.track", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    if not (options.data / pocket_nodule.BASE).exists():
        parser.error(f"{options.data} does not hold the patients; run: python -m foveate.pocket.data")
    found = [nodule(options.data), *structures(options.data)]
    print(f"{'':<28}followed  kept  kept on right slices  range of slices  true slices")
    for one in found:
        row = (one.iou, one.kept, one.kept_right, one.slices)
        print(f"{one.name:<28}{'  '.join(f'{value:.3f}' for value in row)}  {one.true_slices}")
    for key in ("iou", "kept", "kept_right", "slices"):
        mean = bootstrap_mean([getattr(one, key) for one in found[1:]])
        told = f"{mean.estimate:.3f} [{mean.low:.3f}, {mean.high:.3f}] n={mean.samples}"
        print(f"structures, mean {key:<12}{told}")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "track.json").write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n")


if __name__ == "__main__":
    main()
