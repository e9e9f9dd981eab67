"""How well heat maps point: cases (a picture, structures, their masks), metrics per structure, macro
means.

The truth is the label's pixels, as is the box form of 2404.12920's mIoU beside it. Results are kept as
JSON lines, so that a cut run goes on. Knows recipes and denoisers only as things that make maps.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from foveate.evals.metrics.heatmaps import (
    auc_roc,
    cnr_union,
    fgbg_miou,
    mask_of_boxes,
    pointing_game,
    threshold_miou,
)
from foveate.pocket.anatomy import LESION, part_ids, structures
from foveate.tools.grounding.diffusion.recipes import Recipe
from foveate.tools.grounding.diffusion.regions import gmm_threshold, without_orphans

Heat = npt.NDArray[np.float32]
METRICS = ("miou_heat", "miou_heat_boxes", "miou_fgbg", "cnr", "auc", "pointing")


@dataclass(frozen=True)
class Case:
    """One picture, grey uint8 (h, w), and the mask bool (h, w) of each structure on it; `group` is what is
    resampled in intervals.
    """

    group: str
    grey: npt.NDArray[np.uint8]
    masks: dict[str, npt.NDArray[np.bool_]]


Row = dict[str, Any]
Method = Callable[[Case], Heat]
"""Maps (structures, h, w) in the order of the case's masks."""


def asked_masks(labels: npt.NDArray[np.uint8], least: int) -> dict[str, npt.NDArray[np.bool_]]:
    """Masks of every structure with `least` pixels or more; pairs, whose sides are asked one by one, are
    left out.
    """
    made = {}
    for item in structures():
        mask = np.isin(labels, part_ids(item))
        if item.kind != "several" and item.name != LESION and mask.sum() >= least:
            made[item.name] = mask
    return made


def measured(heat: Heat, mask: npt.NDArray[np.bool_], metrics: Sequence[str] = METRICS) -> dict[str, float]:
    """The asked metrics of one map (h, w) in [0, 1] against one mask."""
    return {name: MEASURES[name](heat, mask) for name in metrics}


def _boxes_miou(heat: Heat, mask: npt.NDArray[np.bool_]) -> float:
    found = ndimage.find_objects(ndimage.label(mask, structure=np.ones((3, 3)))[0])
    boxes = [(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in found]
    return threshold_miou(heat, mask_of_boxes(boxes, *mask.shape))


def _gmm_miou(heat: Heat, mask: npt.NDArray[np.bool_]) -> float:
    return fgbg_miou(without_orphans(heat > gmm_threshold(heat)), mask)


def _finite_cnr(heat: Heat, mask: npt.NDArray[np.bool_]) -> float:
    """A map that is flat inside and outside has no noise; its contrast counts 0."""
    contrast = cnr_union(heat, mask)
    return contrast if np.isfinite(contrast) else 0.0


MEASURES: dict[str, Callable[[Heat, npt.NDArray[np.bool_]], float]] = {
    "miou_heat": threshold_miou, "miou_heat_boxes": _boxes_miou, "miou_fgbg": _gmm_miou,
    "cnr": _finite_cnr, "auc": auc_roc, "pointing": lambda heat, mask: float(pointing_game(heat, mask)),
}  # fmt: skip


def recipe_hash(recipe: Recipe) -> str:
    """Tells results of one recipe from those of another with the same name."""
    return sha256(json.dumps(asdict(recipe), sort_keys=True).encode()).hexdigest()[:10]


def weights_hash(folder: Path) -> str:
    """Tells results of one set of weights from those of another."""
    digest = sha256()
    for path in sorted(folder.rglob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def run(
    cases: Sequence[Case],
    methods: dict[str, Method],
    kept: Path,
    tell: Callable[[str], None] = print,
    metrics: Sequence[str] = METRICS,
) -> list[Row]:
    """One row per case, method and structure. What `kept` holds already is not computed again."""
    rows = _kept(kept)
    done = {(row["method"], row["group"]) for row in rows}
    wanted = {case.group for case in cases}
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a") as file:
        for name, method in methods.items():
            todo = [case for case in cases if (name, case.group) not in done]
            for case in todo:
                fresh = list(_rows(name, case, method, metrics))
                file.write("".join(json.dumps(row) + "\n" for row in fresh))
                file.flush()
                rows.extend(fresh)
            if todo:
                tell(f"{name}: {len(todo)} pictures")
    return [row for row in rows if row["method"] in methods and row["group"] in wanted]


def _rows(name: str, case: Case, method: Method, metrics: Sequence[str]) -> Iterator[Row]:
    maps = method(case)
    for (structure, mask), heat in zip(case.masks.items(), maps, strict=True):
        yield {"method": name, "group": case.group, "structure": structure, **measured(heat, mask, metrics)}


def _kept(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def by_structure(rows: Iterable[Row], metric: str) -> dict[str, float]:
    """Structure → mean over its pictures."""
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        values[row["structure"]].append(float(row[metric]))
    return {name: float(np.mean(v)) for name, v in values.items()}


def macro(rows: Iterable[Row], metric: str) -> float:
    """Mean over structures of the mean over pictures."""
    return float(np.mean(list(by_structure(rows, metric).values())))


@dataclass(frozen=True)
class Paired:
    """Macro difference with its 95 % percentile interval over resampled pictures."""

    estimate: float
    low: float
    high: float


def paired_difference(
    a: Sequence[Row], b: Sequence[Row], metric: str, draws: int = 2000, seed: int = 0
) -> Paired:
    """Macro mean of a - b over the same pictures; pictures are drawn whole, with replacement."""
    groups = sorted({row["group"] for row in a})
    names = sorted({row["structure"] for row in a})
    sums, counts = np.zeros((len(groups), len(names))), np.zeros((len(groups), len(names)))
    for sign, rows in ((1.0, a), (-1.0, b)):
        for row in rows:
            at = groups.index(row["group"]), names.index(row["structure"])
            sums[at] += sign * float(row[metric])
            counts[at] += sign > 0
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(len(groups), size=len(groups)) for _ in range(draws)]
    values = [_macro(sums[some], counts[some]) for some in drawn]
    low, high = np.quantile(values, (0.025, 0.975))
    return Paired(_macro(sums, counts), float(low), float(high))


def _macro(sums: npt.NDArray[Any], counts: npt.NDArray[Any]) -> float:
    total, number = sums.sum(0), counts.sum(0)
    return float((total[number > 0] / number[number > 0]).mean())
