"""How much answers depend on the image, and on the evidence that they cite themselves.

The same questions are asked again on changed images. On the image: blank (one gray), noise (each slice's own
pixels in random order, so that intensities stay and structure goes) and mirrored left to right. On its own
evidence: the cited boxes painted over, and, as the control for painting anything over, boxes of the same size
elsewhere on the same slices. Shuffled evidence needs no model: each question's boxes are scored as another's.
An answer "changed" when its outcome or its word differs, or its boxes overlap by less than half. Knows no
benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np

from foveate.evals.altered import blank, masked, mirrored, moved, noise
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Question, Region
from foveate.evals.contract.tasks import Scored, Task
from foveate.evals.metrics.bootstrap import bootstrap_mean, paired_bootstrap
from foveate.evals.results import primary
from foveate.evals.scoring.boxes import overlaps
from foveate.evals.variants import Variant

SAME_BOX = 0.5
"""Overlap below which two boxes are two answers."""
ON_EVIDENCE = ("masked", "elsewhere")
Sizes = Mapping[str, float]
"""Width of the slice that a question's first image opens with, by question id."""


@dataclass(frozen=True)
class Effect:
    """What one variant did to the same questions. Shares and means come with [value, low, high]."""

    variant: str
    n: int
    changed: tuple[float, float, float]
    metric: str | None
    before: float | None
    after: float | None
    difference: tuple[float, float, float] | None
    abstained_before: float
    abstained_after: float


@dataclass(frozen=True)
class Faithfulness:
    """`on_image`: share of answers that changed on blank and noise images. `on_evidence`: share that changed
    when the cited boxes were painted over, less the share that changed when boxes elsewhere were; None when
    nothing was cited. `shuffled`: the primary metric with each question's boxes taken from another one."""

    effects: tuple[Effect, ...]
    on_image: tuple[float, float, float] | None
    on_evidence: tuple[float, float, float] | None
    shuffled: tuple[str, float, float] | None

    def record(self) -> dict[str, Any]:
        """The JSON form in results.json."""
        return asdict(self)


def variants(samples: Sequence[Scored]) -> list[Variant]:
    """All variants, given what the plain run cited."""
    cited = {s.id: s.reading.regions for s in samples if s.reading.regions}
    only = frozenset(cited)
    told = {name: _digest(regions) for name, regions in cited.items()}
    remark = sha256(repr(sorted(told.items())).encode()).hexdigest()[:16]
    image = [Variant("blank", blank), Variant("noise", noise), Variant("mirror", mirrored)]
    if not cited:
        return image
    return [
        *image,
        Variant("masked", lambda i, q, n: masked(i, cited[q.id], n), True, only, remark),
        Variant("elsewhere", lambda i, q, n: masked(i, moved(i, cited[q.id], n, q), n), True, only, remark),
    ]


def summary(
    task: Task, base: Sequence[Scored], runs: Mapping[str, Sequence[Scored]], sizes: Sizes
) -> Faithfulness:
    """`sizes` gives the width of the slice that a region is on, to mirror boxes back."""
    effects = tuple(effect(task, base, run, name, sizes) for name, run in runs.items())
    flags = {name: _changes(base, run, name, sizes) for name, run in runs.items()}
    clusters = {sample.id: sample.cluster for sample in base}
    blind = [(key, flag) for name in ("blank", "noise") for key, flag in flags.get(name, {}).items()]
    image = bootstrap_mean([f for _, f in blind], [clusters[key] for key, _ in blind]) if blind else None
    return Faithfulness(
        effects,
        None if image is None else (image.estimate, image.low, image.high),
        _own_evidence(flags, clusters),
        shuffled_score(task, base),
    )


def effect(task: Task, base: Sequence[Scored], run: Sequence[Scored], name: str, sizes: Sizes) -> Effect:
    """One variant against the plain run, on the questions that both asked."""
    before = {sample.id: sample for sample in base}
    pairs = [(before[sample.id], sample) for sample in run]
    flags = _changes(base, run, name, sizes)
    share = bootstrap_mean([flags[s.id] for _, s in pairs], [s.cluster for _, s in pairs])
    # a mirrored image has another truth: only the change of the answer means something there
    metric = None if name == "mirror" else primary(task.metrics, base)
    held = [(a, b) for a, b in pairs if metric in a.values and metric in b.values] if metric else []
    told = metric if held else None
    one, two = (
        ([s.values[metric] for s in side] for side in zip(*held, strict=True))
        if held and metric
        else ([], [])
    )
    difference = paired_bootstrap(two, one, [a.cluster for a, _ in held]).interval if held else None
    return Effect(
        variant=name,
        n=len(pairs),
        changed=(share.estimate, share.low, share.high),
        metric=told,
        before=float(np.mean(one)) if held else None,
        after=float(np.mean(two)) if held else None,
        difference=None if difference is None else (difference.estimate, difference.low, difference.high),
        abstained_before=_share(a.reading.outcome == "abstained" for a, _ in pairs),
        abstained_after=_share(b.reading.outcome == "abstained" for _, b in pairs),
    )


def shuffled_score(task: Task, base: Sequence[Scored]) -> tuple[str, float, float] | None:
    """(metric, own boxes, another question's boxes), over the questions whose target has boxes; None where
    fewer than two cite any. Each takes those of the next one that cites, in order of ids."""
    metric = primary(task.metrics, base)
    citing = sorted((s for s in base if s.reading.regions and s.target.regions), key=lambda s: s.id)
    if metric is None or len(citing) < 2:
        return None
    own, others = [], []
    for sample, other in zip(citing, [*citing[1:], citing[0]], strict=True):
        place = sample.reading.regions[0]
        borrowed = tuple(
            replace(
                r,
                image=place.image,
                slice_index=place.slice_index,
                plane=place.plane,
                slice_stop=place.slice_stop,
            )
            for r in other.reading.regions
        )
        values = task.score(_asked(sample), replace(sample.reading, regions=borrowed), sample.target, None)
        if metric in values and metric in sample.values:
            own.append(sample.values[metric])
            others.append(values[metric])
    return (metric, float(np.mean(own)), float(np.mean(others))) if own else None


def _changes(base: Sequence[Scored], run: Sequence[Scored], name: str, sizes: Sizes) -> dict[str, float]:
    """1.0 for each question of the run whose answer changed."""
    before = {sample.id: sample.reading for sample in base}
    flip = sizes if name == "mirror" else {}
    return {s.id: float(_differs(before[s.id], _mirrored_back(s.reading, flip.get(s.id)))) for s in run}


def _mirrored_back(reading: Reading, width: float | None) -> Reading:
    if width is None:
        return reading
    regions = tuple(
        replace(r, box=(width - r.box[2], r.box[1], width - r.box[0], r.box[3])) for r in reading.regions
    )
    return replace(reading, regions=regions)


def _differs(one: Reading, other: Reading) -> bool:
    if (one.outcome, one.value) != (other.outcome, other.value):
        return True
    if len(one.regions) != len(other.regions):
        return True
    return bool(one.regions) and bool(overlaps(one.regions, other.regions).max(axis=1).min() < SAME_BOX)


def _own_evidence(
    flags: Mapping[str, Mapping[str, float]], clusters: Mapping[str, str]
) -> tuple[float, float, float] | None:
    if not all(flags.get(name) for name in ON_EVIDENCE):
        return None
    both = [key for key in flags["masked"] if key in flags["elsewhere"]]
    told = paired_bootstrap(
        [flags["masked"][key] for key in both],
        [flags["elsewhere"][key] for key in both],
        [clusters[key] for key in both],
    ).interval
    return told.estimate, told.low, told.high


def _asked(sample: Scored) -> Question:
    """The question as scoring needs it; scores do not look at images and words."""
    return Question(
        sample.id, (), "", sample.kind, sample.cluster, sample.options, (), sample.group, sample.filters
    )


def _digest(regions: Sequence[Region]) -> str:
    return sha256(repr([asdict(region) for region in regions]).encode()).hexdigest()


def _share(flags: Any) -> float:
    return float(np.mean([float(flag) for flag in flags]))
