"""What the uncertainty is fitted and measured on: structures asked of slices, kept so that a cut run goes on.

For fitting, the held-out slices of A and B and mildly warped cuts through them; for reporting, patient C
and the real nodule. Every structure that a slice shows is asked of pocket and diffusion with all hypotheses;
the combinations are made of the same answers. Boxes in source pixels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from foveate.pocket.anatomy import LESION, part_ids
from foveate.pocket.augment import HELD_OUT, degrade, slice_sample
from foveate.pocket.data import ct_image, load_patient, nodule_slices
from foveate.pocket.evaluate_fusion import Kept
from foveate.pocket.evaluate_locator import MIN_PIXELS, Corners, asked, held_out_slices, source_box
from foveate.tools.grounding.adapters.agree import Agree
from foveate.tools.grounding.adapters.fuse import Fuse
from foveate.tools.grounding.adapters.score import Score
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.grounding.uncertainty.hypotheses import Asked, ask
from foveate.tools.grounding.uncertainty.score import weighed
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View, overview

NAMES = ("pocket", "diffusion")
SURE = "sure(pocket+diffusion)"
WEIGHTS, HEAT = (1.0, 0.1), 0.5
"""What a hypothesis of each weighs, and what diffusion's map does: chosen on held-out slices of A and B."""
SIDE = 256
"""Longest side of the view in pixels: heat maps are made at this size."""
CUTS, SEED = 24, 91


@dataclass(frozen=True)
class Case:
    """One structure on one slice. `boxes`: what each grounder and combination says, SURE's before any
    abstention; `features`: what its uncertainty is made of; `block`: what must not be fitted and tested on at
    once."""

    slice_name: str
    block: str
    name: str
    truth: Corners
    boxes: dict[str, Corners | None]
    features: dict[str, float]


Slice = tuple[SourceImage, dict[str, Corners]]
Job = tuple[str, str, Callable[[], Slice]]


def held_out_jobs() -> Iterator[Job]:
    """(name, block, how to make it) of the held-out slices, and of warped cuts through their blocks."""
    for patient, index in held_out_slices():
        block = next(f"{p}{first}" for p, first, last in HELD_OUT if p == patient and first <= index <= last)
        yield f"{patient}{index}", block, lambda p=patient, i=index: _slice(p, i)  # type: ignore[misc]
    for n in range(CUTS):
        patient, first, _ = HELD_OUT[n % len(HELD_OUT)]
        yield f"cut{n}", f"{patient}{first}", lambda n=n: _cut(n)  # type: ignore[misc]


def c_jobs(every: int = 1) -> Iterator[Job]:
    """Every n-th slice of patient C."""
    for index in range(0, len(load_patient("C").hu), every):
        yield f"C{index}", "C", lambda i=index: _slice("C", i)  # type: ignore[misc]


def nodule_jobs() -> Iterator[Job]:
    """The slices of the real nodule in the lung window, with the mean of its readers' boxes."""
    for nodule in nodule_slices():
        index, box = nodule.slice_index, nodule.consensus
        yield f"nodule{index}", "nodule", lambda i=index, b=box: (
            load_patient("A").image(i, "lung"), {LESION: b}
        )  # type: ignore[misc]  # fmt: skip


def cases(jobs: Iterator[Job], grounders: Sequence[Grounder], kept: Path) -> list[Case]:
    """All cases of the jobs; what the folder `kept` has is read from it, the rest is asked and kept."""
    kept.mkdir(parents=True, exist_ok=True)
    made: list[Case] = []
    for name, block, make in jobs:
        path = kept / f"{name}.json"
        if not path.exists():
            rows = _rows(*make(), grounders)
            part = path.with_suffix(".part")
            part.write_text(json.dumps(rows))
            part.rename(path)
            print(f"{name}: {len(rows)} structures", flush=True)
        made += [_case(name, block, row) for row in json.loads(path.read_text())]
    return made


def _rows(
    image: SourceImage, shown: dict[str, Corners], grounders: Sequence[Grounder]
) -> list[dict[str, Any]]:
    if not shown:
        return []
    view = overview(image, SIDE)
    found = ask("report", grounders, view, image, list(shown))
    weights = {grounder.name: weight for grounder, weight in zip(grounders, WEIGHTS, strict=True)}
    rows = []
    for each, boxes in zip(found, combined(view, image, found, grounders), strict=True):
        agreed, features = weighed(each, weights, HEAT, view)
        told = {"name": each.phrase, "truth": shown[each.phrase], "boxes": boxes | {SURE: agreed.box}}
        rows.append(told | {"features": features, "hypotheses": [asdict(h) for h in each.hypotheses]})
    return rows


def combined(
    view: View, image: SourceImage, found: Sequence[Asked], grounders: Sequence[Grounder]
) -> list[dict[str, Corners | None]]:
    """For each phrase the best box of each grounder and combination, from answers that are there."""
    both = [
        Kept(grounder, name, {each.phrase: each.plain[grounder.name] for each in found}, view.id)
        for grounder, name in zip(grounders, NAMES, strict=True)
    ]
    phrases = [each.phrase for each in found]
    answers = {how: g.ground(view, image, phrases) for how, g in combinations(*both).items()}
    return [{how: source_box(all_found[i]) for how, all_found in answers.items()} for i in range(len(found))]


def combinations(pocket: Grounder, diffusion: Grounder) -> dict[str, Grounder]:
    """The two alone and put together by every combination in its usual setting."""
    both, equal = (pocket, diffusion), dict.fromkeys(NAMES, 1.0)
    return {
        "pocket": pocket,
        "diffusion": diffusion,
        "fuse(pocket+diffusion)": Fuse("fuse", both, equal, 0.4),
        "fuse:weights=1/0.25(pocket+diffusion)": Fuse("fuse", both, equal | {"diffusion": 0.25}, 0.4),
        "score(pocket+diffusion)": Score("score", pocket, diffusion, 0.0, 0.5),
        "score(diffusion+pocket)": Score("score", diffusion, pocket, 0.0, 0.5),
        "agree:how=bbm(pocket+diffusion)": Agree("agree", *both, "bbm"),
        "agree:how=product(pocket+diffusion)": Agree("agree", *both, "product"),
    }


def _slice(patient: str, index: int) -> Slice:
    held = load_patient(patient)
    return held.image(index), _truths(held.labels[index])


def _cut(n: int) -> Slice:
    """A mildly warped, degraded cut of 256 x 256 pixels through a held-out block."""
    rng = np.random.default_rng((SEED, n))
    field = float(rng.uniform(330, 520))
    arms = 0.5 if field > 390 else 0.0
    sample = slice_sample(
        rng, 256, field / 256, nodules=0, arms=arms, mirrored=0, warp=0.6, where=HELD_OUT[n % len(HELD_OUT)]
    )
    hu = degrade(rng, torch.from_numpy(sample.hu.astype(np.float32))).numpy()
    pixels = np.rint(hu).astype(np.int16)[None]
    return ct_image(pixels, (5.0, sample.mm, sample.mm), f"cut {n}"), _truths(sample.labels)


def _truths(labels: npt.NDArray[np.uint8]) -> dict[str, Corners]:
    """The boxes of all structures that one box answers, of at least 12 pixels."""
    found: dict[str, Corners] = {}
    for item in asked():
        rows, cols = np.nonzero(np.isin(labels, part_ids(item)))
        if len(rows) >= MIN_PIXELS:
            edges = cols.min(), rows.min(), cols.max() + 1, rows.max() + 1
            found[item.name] = (float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3]))
    return found


def _case(slice_name: str, block: str, row: dict[str, Any]) -> Case:
    boxes = {how: None if box is None else _corners(box) for how, box in row["boxes"].items()}
    return Case(slice_name, block, row["name"], _corners(row["truth"]), boxes, row["features"])


def _corners(told: Sequence[float]) -> Corners:
    return float(told[0]), float(told[1]), float(told[2]), float(told[3])
