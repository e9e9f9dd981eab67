"""Does `find_slices` choose slices that show what was asked for? `python -m foveate.evals.bench.slices`.

Every structure that the pocket locator can name is asked for in the whole volume of patient C (20 axial
slices), those that are not there as well. Beside it, as many evenly spaced slices, which is what a montage
shows without a choice. One patient, labelled by TotalSegmentator: intervals resample structures
and say nothing about other patients. Needs the data folder.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from foveate.evals.metrics.bootstrap import bootstrap_mean
from foveate.evals.metrics.boxes import box_iou
from foveate.evals.tasks import pocket_c
from foveate.evals.tasks.labelled import LabelledVolume, open_labelled, read_names
from foveate.evals.tasks.pocket_names import single_structures
from foveate.evals.tasks.spatial import Extent
from foveate.tools.context import ToolContext
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.grounding.registry import load_grounder
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import overview
from foveate.tools.multi.slices import find_slices

COUNT = 4
VIEW_SIDE = 512


@dataclass(frozen=True)
class Chosen:
    """Of the slices chosen for a structure: the share that show it, the same of evenly spaced ones, the mean
    IoU of the boxes on them (0 where the structure is not there), and whether they hold its largest part."""

    name: str
    on: int
    right: float
    even: float
    iou: float
    largest: bool
    passes: int
    seconds: float


def chosen(
    volume: LabelledVolume, truth: Mapping[int, Extent], name: str, grounder: Grounder
) -> Chosen | None:
    """One structure, which `truth` has on its slices; None where the tool says that it is on none."""
    store, last = ImageStore(), volume.image.n_slices - 1
    store.put(volume.image)
    ctx = ToolContext(store, {"V0": overview(volume.image, VIEW_SIDE)}, grounder=grounder)
    begin = time.perf_counter()
    artifact = find_slices(ctx, name, count=COUNT)
    seconds = time.perf_counter() - begin
    found = artifact.facts["slices"]
    if not found:
        return None
    even = [int(index) for index in np.linspace(0, last, COUNT + 2).round()[1:-1]]
    boxes = {one.slice: one.box for one in artifact.evidence}
    return Chosen(
        name=name,
        on=len(truth),
        right=float(np.mean([index in truth for index in found])),
        even=float(np.mean([index in truth for index in even])),
        iou=float(np.mean([_iou(boxes.get(index), truth.get(index)) for index in found])),
        largest=bool(truth) and max(truth, key=lambda index: truth[index].area) in found,
        passes=artifact.facts["forward_passes"],
        seconds=seconds,
    )


def _iou(found: Sequence[float] | None, true: Extent | None) -> float:
    return 0.0 if found is None or true is None else float(box_iou(found, true.box))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write `slices.json`."""
    parser = argparse.ArgumentParser(prog="python -m foveate.evals.bench.slices", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--grounder", default="pocket")
    parser.add_argument("--every", type=int, default=1, help="ask for every n-th structure only")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    if not (options.data / pocket_c.SERIES).exists():
        parser.error(f"{options.data} does not hold the patients; run: python -m foveate.pocket.data")
    names = read_names(options.data / pocket_c.CLASS_MAP)
    series, labels = options.data / pocket_c.SERIES, options.data / pocket_c.LABELS
    volume = open_labelled("C", series, labels, names)
    truth: dict[str, dict[int, Extent]] = {name: {} for name in single_structures()}
    for index in range(volume.image.n_slices):
        for name, extent in pocket_c.visible(volume, index).items():
            truth[name][index] = extent
    grounder = load_grounder(options.grounder)
    there = sorted(name for name in truth if truth[name])[:: options.every]
    missing = sorted(name for name in truth if not truth[name])[:: options.every]
    found = {name: chosen(volume, truth[name], name, grounder) for name in [*there, *missing]}
    print("\n".join(report(found, there, missing)))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        told = {name: None if one is None else asdict(one) for name, one in found.items()}
        (options.out / "slices.json").write_text(json.dumps(told, indent=2) + "\n")


def report(found: Mapping[str, Chosen | None], there: Sequence[str], missing: Sequence[str]) -> list[str]:
    """The lines that are printed. A structure that was not found counts 0; its even slices do not count."""
    lines = [f"{'':<24}on  right  even   IoU  largest"]
    for name in there:
        one = found[name]
        told = (
            "told absent"
            if one is None
            else f"{one.on:>2}{one.right:7.2f}{one.even:6.2f}{one.iou:6.2f}  {one.largest}"
        )
        lines.append(f"{name:<24}{told}")
    seen = [one for one in (found[name] for name in there) if one is not None]
    some = [one for one in seen if one.on < max(each.on for each in seen)]
    values = {
        "chosen slices that show it": [0.0 if (o := found[n]) is None else o.right for n in there],
        "evenly spaced ones that do": [one.even for one in seen],
        "chosen, of what is on some slices only": [one.right for one in some],
        "evenly spaced, of the same": [one.even for one in some],
        "IoU on chosen slices": [0.0 if (o := found[n]) is None else o.iou for n in there],
        "its largest slice is among them": [float((o := found[n]) is not None and o.largest) for n in there],
        "not there, and told absent": [float(found[name] is None) for name in missing],
    }
    for label, numbers in values.items():
        if numbers:
            mean = bootstrap_mean(numbers)
            lines.append(f"{label:<40}{mean.estimate:.3f} [{mean.low:.3f}, {mean.high:.3f}] n={len(numbers)}")
    if seen:
        passes, seconds = (
            float(np.median(x)) for x in zip(*((o.passes, o.seconds) for o in seen), strict=True)
        )
        lines.append(f"median of {passes:.0f} forward passes, {seconds:.1f} s a question")
    return lines


if __name__ == "__main__":
    main()
