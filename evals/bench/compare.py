"""Finding what was planted: `python -m foveate.evals.bench.compare`.

Real CT slices (of the volumes in `--data` where they are there, else of the demo images) with one planted
change, as registered and as shifted pairs, both arms in one run; beside them, on the same pairs, the same
difference without registration, and pairs without a change. `match` finds patches of one slice in the other.
IoU is that of the first region; intervals resample slices. Few patients: the numbers say little about other
scanners.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from foveate.agent.demo import demo_folder
from foveate.evals.bench.planted import Arm, Pair, Slice, pairs, slices
from foveate.evals.metrics.bootstrap import bootstrap_mean
from foveate.evals.metrics.boxes import box_iou
from foveate.tools.context import ToolContext
from foveate.tools.imaging.frames import Affine2D
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import overview
from foveate.tools.multi.compare import compare
from foveate.tools.multi.difference import changes
from foveate.tools.multi.match import FOUND, best_match
from foveate.tools.multi.planes import Plane, pair_of_planes, plane_of
from foveate.tools.multi.registration import RegistrationError, register

TARGETS: dict[Arm, float] = {"registered": 0.6, "shifted": 0.5}
PATCH_MM = 24.0


@dataclass(frozen=True)
class Found:
    """What came of one pair. `iou` of the first region and `plain` of the first one without registration;
    None where nothing was planted. `regions`: how many changes were told. `error`: of the registration, in
    pixels, at the worst corner. `match`: the IoU of a matched patch; `strange`: the correlation of a patch
    that is not there."""

    arm: str
    kind: str
    slice: str
    seed: int
    side: float
    iou: float | None
    plain: float | None
    regions: int
    agreement: float
    error: float
    seconds: float
    match: float | None
    match_score: float


def judged(pair: Pair) -> Found:
    """The tool `compare`, as an agent calls it, on one pair."""
    store = ImageStore()
    views = {}
    for name, image in (("V0", pair.older), ("V1", pair.newer)):
        store.put(image)
        views[name] = overview(image, 1024)
    begin = time.perf_counter()
    artifact = compare(ToolContext(store, views))
    seconds = time.perf_counter() - begin
    told = artifact.facts["changes"]
    first = artifact.evidence[told[0]["regions"][0]].box if told else None
    fixed, moving = pair_of_planes(*(plane_of(image, "axial", 0) for image in (pair.newer, pair.older)))
    plain = changes(fixed.pixels, moving.pixels, moved=False)
    affine = artifact.facts["affine"]
    place, score = _matched(pair, fixed, moving, Affine2D(*affine))
    return Found(
        arm=pair.arm,
        kind=pair.kind,
        slice=f"{pair.slice.patient}/{pair.slice.index}",
        seed=pair.seed,
        side=0.0 if pair.box is None else min(pair.box[2] - pair.box[0], pair.box[3] - pair.box[1]),
        iou=None if pair.box is None else _iou(first, pair.box),
        plain=None if pair.box is None else _iou(plain[0].corners if plain else None, pair.box),
        regions=len(told),
        agreement=artifact.facts["agreement"],
        error=_error(pair, affine),
        seconds=seconds,
        match=place,
        match_score=score,
    )


def _matched(pair: Pair, fixed: Plane, moving: Plane, affine: Affine2D) -> tuple[float | None, float]:
    """(IoU of the place that a patch of the newer slice is found at with where it really is, its score)."""
    rng = np.random.default_rng([pair.seed, pair.slice.index])
    width, height = fixed.size
    wide, high = (PATCH_MM / spacing for spacing in reversed(fixed.spacing))
    x, y = rng.uniform(0.35, 0.65) * width, rng.uniform(0.35, 0.65) * height
    corners = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
    box = pair.newer.source_frame("axial", 0).box(*corners)
    try:
        found = best_match(box, fixed, moving, affine)
    except RegistrationError:
        return None, 0.0
    return box_iou(found.corners, pair.true.map_box(*corners)), found.score


def _iou(found: tuple[float, ...] | None, true: tuple[float, ...]) -> float:
    return 0.0 if found is None else float(box_iou(found, true))


def _error(pair: Pair, affine: Sequence[float]) -> float:
    width, height = pair.newer.plane_size("axial")
    found = Affine2D(*affine)
    corners = ((0, 0), (width, 0), (0, height), (width, height))
    return max(float(np.hypot(*np.subtract(found.apply(*c), pair.true.apply(*c)))) for c in corners)


def agreements(of: Sequence[Slice]) -> dict[str, list[float]]:
    """Correlation after registration of what should not match: slices of two patients."""
    found = []
    for one, other in zip(of, of[len(of) // 2 :], strict=False):
        if one.patient == other.patient:
            continue
        a, b = (next(iter(pairs(each, "registered", 0, ("none",)))).newer for each in (one, other))
        fixed, moving = pair_of_planes(plane_of(a, "axial", 0), plane_of(b, "axial", 0))
        found.append(register(fixed, moving).agreement)
    return {"two patients": found}


def report(found: Sequence[Found], strangers: dict[str, list[float]]) -> list[str]:
    """The lines that are printed."""
    lines = []
    for arm, target in TARGETS.items():
        here = [one for one in found if one.arm == arm]
        if here:
            lines += [*_planted_lines(arm, here, target), *_pair_lines(here)]
    for name, values in strangers.items():
        lines += [f"agreement of {name}: {min(values):.2f} to {max(values):.2f}"] if values else []
    return lines


def _planted_lines(arm: str, here: Sequence[Found], target: float) -> list[str]:
    """How well the planted changes of one arm are found: all, by kind and by size."""
    planted = [one for one in here if one.iou is not None]
    lines = [_mean(f"{arm}: mIoU", [(one.iou or 0.0, one.slice) for one in planted], target)]
    lines.append(_mean(f"{arm}: mIoU, unregistered", [(one.plain or 0.0, one.slice) for one in planted]))
    for kind in sorted({one.kind for one in planted}):
        lines.append(_mean(f"  {kind}", [(o.iou or 0.0, o.slice) for o in planted if o.kind == kind]))
    for name, low, high in (("under 6 px", 0, 6), ("6 to 15 px", 6, 15), ("over 15 px", 15, 1e9)):
        sized = [(one.iou or 0.0, one.slice) for one in planted if low <= one.side < high]
        lines += [_mean(f"  shortest side {name}", sized)] if sized else []
    return [*lines, _mean("  IoU of 0.5 or more", [(float((o.iou or 0) >= 0.5), o.slice) for o in planted])]


def _pair_lines(here: Sequence[Found]) -> list[str]:
    """What else is measured on the pairs of one arm: false alarms, `match`, the registration."""
    empty = [(float(one.regions), one.slice) for one in here if one.iou is None]
    sure = [one for one in here if one.match is not None and one.match_score >= FOUND]
    errors, spent = [one.error for one in here], [one.seconds for one in here]
    return [
        _mean("  regions told where nothing changed", empty),
        _mean("  match: IoU of a patch found", [(one.match or 0.0, one.slice) for one in sure]),
        f"  match: found {len(sure)} of {len(here)}",
        f"  registration: median error {median(errors):.2f} px, largest {max(errors):.2f} px",
        f"  agreement at least {min(one.agreement for one in here):.3f}",
        f"  seconds: median {median(spent):.2f}",
    ]


def _mean(name: str, values: Iterable[tuple[float, str]], target: float | None = None) -> str:
    given = list(values)
    if not given:
        return f"{name:<44} none"
    interval = bootstrap_mean([value for value, _ in given], [cluster for _, cluster in given])
    told = f"{name:<44}{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}] n={len(given)}"
    if target is None:
        return told
    return f"{told}  target {target}{'' if interval.estimate >= target else '  MISSED'}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write `compare.json`."""
    parser = argparse.ArgumentParser(prog="python -m foveate.evals.bench.compare", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="take every n-th slice only")
    parser.add_argument("--arms", default="registered,shifted")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    of = slices(options.data, demo_folder())[:: options.every]
    found = [
        judged(pair)
        for arm in TARGETS
        if arm in options.arms.split(",")
        for seed in range(options.seeds)
        for one in of
        for pair in pairs(one, arm, seed)
    ]
    strangers = agreements(of)
    patients = sorted({one.patient for one in of})
    print(f"{len(found)} pairs of {len(of)} slices of {len(patients)} volumes: {', '.join(patients)}")
    print("\n".join(report(found, strangers)))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        told = {"pairs": [asdict(one) for one in found], "strangers": strangers}
        (options.out / "compare.json").write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
