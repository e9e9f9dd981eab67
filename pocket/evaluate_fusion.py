"""What putting grounders together is worth: `python -m foveate.pocket.evaluate_fusion [--on heldout|C]`.

pocket and diffusion ground every structure that a slice shows, once; then each combination is made of the
same answers. Macro mIoU of the best region over structures, on held-out cuts of A and B (for choices) or on
patient C (for reporting), with the difference to the better of the two alone and its 95 % interval (paired
bootstrap over slices of one patient, which does not cover the difference between patients).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foveate.evals.metrics.bootstrap import Interval, bootstrap_statistic
from foveate.pocket.data import load_patient
from foveate.pocket.evaluate_locator import asked, box_iou, held_out_slices, source_box, true_box
from foveate.tools.grounding.adapters.agree import HOW, Agree
from foveate.tools.grounding.adapters.fuse import Fuse
from foveate.tools.grounding.adapters.score import Score
from foveate.tools.grounding.protocol import Grounder, Grounding
from foveate.tools.grounding.registry import load_grounder
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View, overview

Rows = list[tuple[str, int, str, dict[str, float]]]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
DRAWS = 1000
WEIGHTS, IOUS = ((1.0, 1.0), (1.0, 0.5), (1.0, 0.25)), (0.2, 0.4)
SIDE = 256
"""Longest side of the view in pixels: heat maps are made at this size."""


@dataclass
class Kept:
    """A grounder that answers a view's phrases once."""

    inner: Grounder
    name: str
    answers: dict[str, Grounding] = field(default_factory=dict)
    view: str = ""

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        if self.view != view.id:
            self.view, self.answers = view.id, {}
        new = [p for p in phrases if p not in self.answers]
        if new:
            self.answers.update(zip(new, self.inner.ground(view, image, new), strict=True))
        return [self.answers[p] for p in phrases]


def combinations(pocket: Grounder, diffusion: Grounder) -> dict[str, Grounder]:
    """The two alone and every way to put them together, by specification."""
    made: dict[str, Grounder] = {"pocket": pocket, "diffusion": diffusion}
    both = (pocket, diffusion)
    for weights in WEIGHTS:
        for iou in IOUS:
            told = "/".join(f"{w:g}" for w in weights)
            named = dict(zip(("pocket", "diffusion"), weights, strict=True))
            made[f"fuse:iou={iou},weights={told}"] = Fuse("fuse", both, named, iou)
    made["score(pocket+diffusion)"] = Score("score", pocket, diffusion, 0.0, 0.5)
    made["score(diffusion+pocket)"] = Score("score", diffusion, pocket, 0.0, 0.5)
    return made | {f"agree:how={how}": Agree("agree", *both, how) for how in HOW}


def rows_of(made: dict[str, Grounder], slices: Sequence[tuple[str, int]]) -> Rows:
    """(patient, slice, structure, IoU by combination) of every structure that each slice shows."""
    rows: Rows = []
    for name, index in slices:
        patient = load_patient(name)
        image, boxes = patient.image(index), {s.name: true_box(patient, index, s) for s in asked()}
        shown = {n: b for n, b in boxes.items() if b is not None}
        if not shown:
            continue
        view = overview(image, SIDE)
        found = {how: grounder.ground(view, image, list(shown)) for how, grounder in made.items()}
        for i, (structure, box) in enumerate(shown.items()):
            best = {how: source_box(all_found[i]) for how, all_found in found.items()}
            rows.append(
                (name, index, structure, {how: box_iou(b, box) if b else 0.0 for how, b in best.items()})
            )
    return rows


def macro_mean(values: Floats, names: Sequence[str]) -> Callable[[Indices], float]:
    """The mean over structures of the mean over their boxes, of the drawn ones; `values` (n,), n names."""
    of_name = np.unique(names, return_inverse=True)[1]

    def of(drawn: Indices) -> float:
        count = np.bincount(of_name[drawn])
        total = np.bincount(of_name[drawn], weights=values[drawn])
        return float((total[count > 0] / count[count > 0]).mean())

    return of


def differences(rows: Rows) -> tuple[dict[str, float], dict[str, Interval]]:
    """The macro mIoU of each combination, and how far it lies above the better single grounder."""
    names, slices = [row[2] for row in rows], [row[:2] for row in rows]
    ious = {how: np.array([row[3][how] for row in rows]) for how in rows[0][3]}
    whole = {how: macro_mean(values, names)(np.arange(len(rows))) for how, values in ious.items()}
    better = max(("pocket", "diffusion"), key=whole.__getitem__)
    gaps = {how: macro_mean(values - ious[better], names) for how, values in ious.items()}
    return whole, {how: bootstrap_statistic(gap, len(rows), slices, draws=DRAWS) for how, gap in gaps.items()}


def main() -> None:
    """Measures and prints a table; `--json FILE` keeps every IoU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", choices=("heldout", "C"), default="C")
    parser.add_argument("--every", type=int, default=1, help="every n-th slice")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    slices = (
        held_out_slices() if told.on == "heldout" else [("C", i) for i in range(len(load_patient("C").hu))]
    )
    made = combinations(*(Kept(load_grounder(name), name) for name in ("pocket", "diffusion")))
    rows = rows_of(made, slices[:: told.every])
    values, less = differences(rows)
    print(f"{'grounder':<34}{'macro mIoU':>11}{'less the better':>17}   95 %   ({len(rows)} boxes)")
    for how, value in values.items():
        gap = less[how]
        print(f"{how:<34}{value:11.3f}{gap.estimate:+17.3f}   {gap.low:+.3f} to {gap.high:+.3f}")
    if told.json:
        gaps = {how: asdict(gap) for how, gap in less.items()}
        told.json.write_text(json.dumps({"macro": values, "less": gaps, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
