"""How good pocket-locator is, through its grounder: `python -m foveate.pocket.evaluate_locator [--on
heldout|C]`.

Held-out blocks of A and B serve for choices; patient C and the real nodule are for reporting only. Boxes
in source pixels; a structure is present on a slice when at least 12 of its pixels are. Beside the
grounder stand a location prior (the mean box, relative to the body's box, over the slices of A and B
that show the structure) and the whole image. Intervals: bootstrap over slices of one patient, so they do
not cover the difference between patients.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from foveate.pocket.anatomy import LESION, Structure, distractors, part_ids, structures
from foveate.pocket.augment import HELD_OUT
from foveate.pocket.data import Patient, load_patient, nodule_slices
from foveate.tools.grounding.canvas import body_box
from foveate.tools.grounding.protocol import Grounder, Grounding
from foveate.tools.grounding.registry import load_grounder
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import overview

Corners = tuple[float, float, float, float]
MIN_PIXELS = 12
METHODS = ("locator", "prior", "image")


@dataclass(frozen=True)
class Case:
    """One structure asked of one slice. IoU per method where it is present; None where it is not."""

    patient: str
    slice_index: int
    name: str
    present: bool
    said: bool
    score: float
    iou: dict[str, float] | None


def box_iou(a: Corners, b: Corners) -> float:
    """Intersection over union of two boxes."""
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(0.0, w) * max(0.0, h)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def asked() -> list[Structure]:
    """The structures that one box answers."""
    return [s for s in structures() if s.kind != "several" and s.name != LESION]


def true_box(patient: Patient, slice_index: int, item: Structure) -> Corners | None:
    """The box of all labelled pixels, None below 12 of them."""
    rows, cols = np.nonzero(np.isin(patient.labels[slice_index], part_ids(item)))
    if len(rows) < MIN_PIXELS:
        return None
    return float(cols.min()), float(rows.min()), float(cols.max()) + 1, float(rows.max()) + 1


@cache
def location_prior() -> dict[str, Corners]:
    """Mean box of each structure in units of the body's box, over all training slices of A and B."""
    found: dict[str, list[Corners]] = defaultdict(list)
    nodule = {s.slice_index for s in nodule_slices()}
    for patient in (load_patient("A"), load_patient("B")):
        for i in range(0, len(patient.hu), 2):
            if patient.name == "A" and i in nodule:
                continue
            x0, y0, x1, y1 = body_box(patient.hu[i] > -300)
            for item in asked():
                if (box := true_box(patient, i, item)) is not None:
                    w, h = x1 - x0, y1 - y0
                    place = ((box[0] - x0) / w, (box[1] - y0) / h, (box[2] - x0) / w, (box[3] - y0) / h)
                    found[item.name].append(place)
    return {k: tuple(float(v) for v in np.mean(b, axis=0)) for k, b in found.items()}  # type: ignore[misc]


def source_box(found: Grounding) -> Corners | None:
    """The best region in source pixels."""
    return found.regions[0].box.to_source().as_tuple() if found.regions else None


def slice_cases(
    grounder: Grounder, patient: Patient, slice_index: int, every_name: bool = True
) -> list[Case]:
    """All structures asked of one slice."""
    image = patient.image(slice_index)
    items = [s for s in asked() if every_name or true_box(patient, slice_index, s)]
    found = grounder.ground(overview(image, 512), image, [s.name for s in items])
    whole = (0.0, 0.0, float(patient.hu.shape[2]), float(patient.hu.shape[1]))
    x0, y0, x1, y1 = body_box(patient.hu[slice_index] > -300)
    cases = []
    for item, grounding in zip(items, found, strict=True):
        box, iou = true_box(patient, slice_index, item), None
        if box is not None:
            p = location_prior().get(item.name)
            prior = p and (
                x0 + p[0] * (x1 - x0),
                y0 + p[1] * (y1 - y0),
                x0 + p[2] * (x1 - x0),
                y0 + p[3] * (y1 - y0),
            )
            boxes = {"locator": source_box(grounding), "prior": prior, "image": whole}
            iou = {k: box_iou(b, box) if b else 0.0 for k, b in boxes.items()}
        cases.append(
            Case(
                patient.name,
                slice_index,
                item.name,
                box is not None,
                not grounding.absent,
                grounding.best_score,
                iou,
            )
        )
    return cases


def strange_alarms(grounder: Grounder, image: SourceImage) -> list[bool]:
    """Whether each distractor was "found" on the image."""
    return [not g.absent for g in grounder.ground(overview(image, 512), image, distractors()["phrases"])]


def per_structure(cases: Sequence[Case]) -> dict[str, dict[str, float]]:
    """Mean IoU of each method and acc@0.5 per structure, over the slices that show it."""
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.iou is not None:
            groups[case.name].append(case)
    table = {}
    for name, rows in sorted(groups.items()):
        ious = {m: [r.iou[m] for r in rows if r.iou] for m in METHODS}
        table[name] = {"slices": len(rows), **{m: float(np.mean(v)) for m, v in ious.items()}}
        table[name]["acc50"] = float(np.mean([v >= 0.5 for v in ious["locator"]]))
        table[name]["found"] = float(np.mean([r.said for r in rows]))
    return table


def summary(cases: Sequence[Case]) -> dict[str, float]:
    """Macro means over structures, and presence: plain, balanced, sensitivity and specificity."""
    table = per_structure(cases)
    out = {m: float(np.mean([row[m] for row in table.values()])) for m in METHODS}
    out["acc50"] = float(np.mean([row["acc50"] for row in table.values()]))
    there = [c.said for c in cases if c.present]
    away = [not c.said for c in cases if not c.present]
    out["presence"] = float(np.mean([c.said == c.present for c in cases]))
    out["sensitivity"], out["specificity"] = float(np.mean(there)), float(np.mean(away))
    out["presence_balanced"] = (out["sensitivity"] + out["specificity"]) / 2
    return out


def intervals(cases: Sequence[Case], draws: int = 1000, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95 % bootstrap intervals of `summary`, slices drawn with replacement."""
    rng = np.random.default_rng(seed)
    by_slice: dict[tuple[str, int], list[Case]] = defaultdict(list)
    for case in cases:
        by_slice[case.patient, case.slice_index].append(case)
    keys = list(by_slice)
    made = [
        summary([c for k in rng.integers(len(keys), size=len(keys)) for c in by_slice[keys[k]]])
        for _ in range(draws)
    ]
    return {
        k: (float(np.quantile([m[k] for m in made], 0.025)), float(np.quantile([m[k] for m in made], 0.975)))
        for k in made[0]
    }


def nodule_rows(grounder: Grounder, phrase: str = LESION) -> Iterator[dict[str, Any]]:
    """The real nodule by slice: IoU with the mean box of its readers and with each reader, and between
    readers.
    """
    patient = load_patient("A")
    for nodule in nodule_slices():
        image = patient.image(nodule.slice_index, "lung")
        found = grounder.ground(overview(image, 512), image, [phrase])[0]
        box = source_box(found)
        pairs = [box_iou(a, b) for i, a in enumerate(nodule.boxes) for b in nodule.boxes[:i]]
        yield {
            "slice": nodule.slice_index,
            "readers": len(nodule.boxes),
            "regions": len(found.regions),
            "score": round(found.best_score, 3),
            "iou_consensus": round(box_iou(box, nodule.consensus), 3) if box else 0.0,
            "iou_readers": round(float(np.mean([box_iou(box, b) for b in nodule.boxes])), 3) if box else 0.0,
            "between_readers": round(float(np.mean(pairs)), 3) if pairs else None,
        }


def evaluate(grounder: Grounder, slices: Sequence[tuple[str, int]]) -> list[Case]:
    """All cases of the given slices."""
    return [case for name, index in slices for case in slice_cases(grounder, load_patient(name), index)]


def held_out_slices() -> list[tuple[str, int]]:
    return [(name, i) for name, first, last in HELD_OUT for i in range(first, last + 1)]


def report(cases: Sequence[Case]) -> dict[str, Any]:
    return {"summary": summary(cases), "intervals": intervals(cases, 200), "structures": per_structure(cases)}


def show(told: dict[str, Any]) -> None:
    """The figures as plain tables."""
    for key, value in told["summary"].items():
        low, high = told["intervals"][key]
        print(f"{key:<20}{value:6.3f}  [{low:.3f}, {high:.3f}]")
    print(f"\n{'structure':<32}{'n':>4}{'locator':>8}{'acc@0.5':>8}{'found':>8}{'prior':>8}{'image':>8}")
    for name, row in told["structures"].items():
        cells = "".join(f"{row[k]:8.2f}" for k in ("locator", "acc50", "found", "prior", "image"))
        print(f"{name:<32}{row['slices']:4.0f}{cells}")


def main() -> None:
    """Evaluates and prints; `--json FILE` keeps every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", choices=("heldout", "C"), default="C")
    parser.add_argument("--grounder", default="pocket")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    grounder, began = load_grounder(told.grounder), time.monotonic()
    slices = (
        held_out_slices() if told.on == "heldout" else [("C", i) for i in range(len(load_patient("C").hu))]
    )
    cases = evaluate(grounder, slices)
    result = report(cases)
    show(result)
    shown = [load_patient(name).image(i) for name, i in slices[::5]]
    alarms = float(np.mean([a for image in shown for a in strange_alarms(grounder, image)]))
    print(f"\nphrases that name nothing here, yet found: {alarms:.3f}")
    rows: list[dict[str, Any]] = list(nodule_rows(grounder)) if told.on == "C" else []
    for row in rows:
        print("nodule", row)
    print(f"{time.monotonic() - began:.0f} s")
    if told.json:
        kept = {**result, "alarms": alarms, "nodule": rows, "cases": [asdict(c) for c in cases]}
        told.json.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
