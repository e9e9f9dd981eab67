"""Weighted box fusion (arXiv 1910.13302) over grounders: "fuse[:iou=0.4,weights=2/1](pocket+diffusion)".

Scores on a fixed scale are weights as they are. Where one of the grounders only ranks, the best score of each
counts as 1, and so does the result: it ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.combine import (
    absence,
    ask_all,
    load_parts,
    names_of,
    read_weights,
    report,
    spent,
)
from foveate.tools.grounding.fusion import weighted_box_fusion
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.protocol import Grounder, Grounding, Region, ScoreKind
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

CARD = Card(
    line="weighted box fusion of two or more grounders; absent when all that can decide say so",
    licence="as its parts",
    size="as its parts",
    boxes="as its parts",
    kind="combination",
    example="[:iou=0.4](ONE+OTHER)",
)
LEAST = 1e-6
"""A score of nothing still needs a weight above nothing."""


def load(recipe: str, model: str) -> Grounder:
    """The parts, the IoU above which boxes are one, and a weight for each part. Raises GrounderError."""
    told = read_options("fuse", recipe, iou=0.4, weights="")
    parts = load_parts("fuse", model)
    weights = dict(zip(names_of(parts), read_weights("fuse", told["weights"], len(parts)), strict=True))
    return Fuse(f"fuse({'+'.join(p.name for p in parts)})", parts, weights, told["iou"])


@dataclass
class Fuse:
    """Boxes of all parts, fused per phrase; `weights` by name, the largest of them 1."""

    name: str
    parts: Sequence[Grounder]
    weights: dict[str, float]
    iou: float

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        answers = ask_all(self.name, self.parts, view, image, phrases)
        return [self._one(view, p, answers.of(i), answers.failed) for i, p in enumerate(phrases)]

    def _one(self, view: View, phrase: str, found: dict[str, Grounding], failed: dict[str, str]) -> Grounding:
        fixed = all(one.score_kind == "fixed_scale" for one in found.values())
        absent, (seconds, passes), detail = absence(found), spent(found), report(found, failed)
        boxes = [[r.box.as_tuple() for r in one.regions] for one in found.values()]
        scores = [[s * self.weights[name] for s in _scores(one, fixed)] for name, one in found.items()]
        regions: tuple[Region, ...] = ()
        if any(boxes) and not absent:
            fused = weighted_box_fusion(boxes, scores, self.iou)
            drawn = zip(fused.boxes.tolist(), fused.scores.tolist(), strict=True)
            regions = tuple(Region(view.frame.box(*box), score, phrase) for box, score in drawn)
        best = max((r.score for r in regions), default=0.0)
        kind: ScoreKind = "fixed_scale" if fixed else "relative"
        return Grounding(phrase, regions, kind, absent, best, None, None, seconds, passes, detail)


def _scores(one: Grounding, fixed: bool) -> list[float]:
    scores = [max(LEAST, r.score) for r in one.regions]
    return scores if fixed else [s / max(scores) for s in scores]
