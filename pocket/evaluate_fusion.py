"""What putting grounders together is worth: `python -m foveate.pocket.evaluate_fusion [--on heldout|C]`.

pocket and diffusion ground every structure that a slice shows, once; then each combination is made of the
same answers. Macro mIoU of the best region over structures, on held-out cuts of A and B (for choices) or on
patient C (for reporting), with the difference to the better of the two alone and its 95 % interval (paired
bootstrap over slices of one patient, which does not cover the difference between patients).
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

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


def macro(rows: Rows) -> dict[str, float]:
    """Mean over structures of the mean IoU over slices."""
    groups: dict[str, list[dict[str, float]]] = defaultdict(list)
    for _, _, structure, ious in rows:
        groups[structure].append(ious)
    names = rows[0][3]
    means = [{how: float(np.mean([r[how] for r in group])) for how in names} for group in groups.values()]
    return {how: float(np.mean([m[how] for m in means])) for how in names}


def differences(rows: Rows, draws: int = 500) -> dict[str, tuple[float, float, float]]:
    """Each combination less the better single grounder: mean and 95 % interval."""
    whole = macro(rows)
    single = max(("pocket", "diffusion"), key=whole.__getitem__)
    by_slice: dict[tuple[str, int], Rows] = defaultdict(list)
    for row in rows:
        by_slice[row[:2]].append(row)
    keys, rng = list(by_slice), np.random.default_rng(0)
    drawn = [
        macro([r for k in rng.integers(len(keys), size=len(keys)) for r in by_slice[keys[k]]])
        for _ in range(draws)
    ]
    out = {}
    for how, value in whole.items():
        low, high = np.quantile([d[how] - d[single] for d in drawn], [0.025, 0.975])
        out[how] = (value - whole[single], float(low), float(high))
    return out


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
    values, less = macro(rows), differences(rows)
    print(f"{'grounder':<34}{'macro mIoU':>11}{'less the better':>17}   95 %   ({len(rows)} boxes)")
    for how, value in values.items():
        mean, low, high = less[how]
        print(f"{how:<34}{value:11.3f}{mean:+17.3f}   {low:+.3f} to {high:+.3f}")
    if told.json:
        told.json.write_text(json.dumps({"macro": values, "less": less, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
