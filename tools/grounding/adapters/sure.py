"""A consensus box with its uncertainty, or none: "sure[:most=0.5,samples=4](pocket+diffusion)".

Each part is asked in several wordings, on several changes of the slice and, if it can draw, several times.
Where most of those that can decide find nothing it is absent; where the boxes are not to be trusted there is
none, and the reason is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.combine import load_parts, names_of, report
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.protocol import Grounder, Grounding, Region, ScoreKind
from foveate.tools.grounding.uncertainty.draws import check_draws
from foveate.tools.grounding.uncertainty.hypotheses import USUAL, Asked, Plan, ask
from foveate.tools.grounding.uncertainty.score import doubt_of
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

CARD = Card(
    line="consensus over wordings, changed slices, samples and grounders, with its uncertainty; abstains",
    licence="as its parts",
    size="as its parts, asked five times",
    boxes="the best of its hypotheses' boxes, in source pixels",
    kind="combination",
    example="[:most=0.5,prompts=3,changes=4,samples=0](ONE+OTHER)",
)


def load(recipe: str, model: str) -> Grounder:
    """One part or more; `most`: the uncertainty above which no box is given, by default as calibrated;
    `prompts`, `changes` and `samples` as in `Plan`. Raises GrounderError."""
    usual = asdict(USUAL)
    told = read_options("sure", recipe, most=-1.0, **usual)
    plan = Plan(**{key: told[key] for key in usual})
    parts = load_parts("sure", model, least=1)
    check_draws("sure", parts, plan.samples)
    most = told["most"] if told["most"] >= 0 else None
    return Sure(f"sure({'+'.join(p.name for p in parts)})", parts, most, plan)


@dataclass
class Sure:
    """`most` None: as the calibration of just these parts says; without one, or with another plan than that
    was fitted with, every box is given."""

    name: str
    parts: Sequence[Grounder]
    most: float | None = None
    plan: Plan = USUAL

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        asked = ask(self.name, self.parts, view, image, phrases, self.plan)
        return [self._one(view, each) for each in asked]

    def _one(self, view: View, asked: Asked) -> Grounding:
        doubt = doubt_of(asked, names_of(self.parts), view)
        most = doubt.most if self.most is None else self.most
        reason, absent = doubt.verdict(most)
        box = doubt.agreement.box
        sure = 1 - doubt.uncertainty
        regions: tuple[Region, ...] = ()
        if box is not None and not reason:
            placed = view.frame.from_source(view.frame.source.box(*box))
            regions = (Region(placed, sure, asked.phrase),)
        told = doubt.told() | {"asked": asdict(asked.plan)}
        detail: dict[str, Any] = report(asked.plain, asked.failed) | {"uncertainty": told}
        detail |= {"reason": reason} if reason else {}
        kind: ScoreKind = "fixed_scale" if doubt.calibrated else "relative"
        floor = 1 - most if doubt.calibrated else None
        cost = asked.seconds, asked.forward_passes
        return Grounding(asked.phrase, regions, kind, absent, sure, floor, None, *cost, detail)
