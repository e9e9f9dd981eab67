"""The tool `refine`: asks the model again, several times with semantic sampling, and tells how far it agrees.

Answers are grouped by meaning, boxes fused (weighted box fusion); the largest group's share is the consensus,
and how the others differ is the spread. Knows of the model only a `Resampler` that its caller gives; the
budget is in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foveate import prompts
from foveate.tools.consensus import groups, spread
from foveate.tools.context import Sample, ToolArtifact, ToolContext, ToolError
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.grounding.fusion import Fused, overlap, weighted_box_fusion

FUSE_IOU = 0.55
"""Boxes that overlap more become one: the value of weighted box fusion's authors."""
MAJORITY = 0.5
"""A fused box counts as found when more than this share of the answers have it."""
SHOWN = 4


def refine(
    ctx: ToolContext,
    question: str | None = None,
    phrase: str | None = None,
    view: str | None = None,
    samples: int = 5,
) -> ToolArtifact:
    """The consensus of several looks at one view: an answer to a question, or boxes of a phrase."""
    if ctx.resample is None:
        raise ToolError("this model cannot be asked again with semantic sampling")
    asked = _question(ctx, question, phrase)
    name = ctx.view_name(view)
    drawn = ctx.resample(asked, ctx.views[name], min(samples, ctx.limits.max_samples))
    answered = [sample for sample in drawn if sample.error is None]
    if not answered:
        raise ToolError(f"no answer came of {len(drawn)}: {drawn[0].error if drawn else 'the time was over'}")
    made = groups([sample.text for sample in answered])
    fused = weighted_box_fusion([sample.boxes for sample in answered], None, FUSE_IOU)
    kept = int((fused.scores > MAJORITY).sum())
    agreement = box_agreement(answered, fused)[:kept]
    facts = {
        "tool": "refine",
        "asked": asked,
        "view": name,
        "samples": len(drawn),
        "answered": len(answered),
        "usage": _usage(drawn),
        "abstained": sum(sample.abstained for sample in answered),
        "answer": made[0].text,
        "groups": [{"answer": g.text[:120], "count": len(g.members)} for g in made[:SHOWN]],
        "consensus": round(len(made[0].members) / len(answered), 3),
        "spread": round(spread(made), 3),
        "box_consensus": [round(float(score), 3) for score in fused.scores[:kept]],
        "box_spread": [round(1 - value, 3) for value in agreement],
    }
    return ToolArtifact(evidence=_evidence(ctx, name, fused, kept, phrase or asked), facts=facts)


def box_agreement(answered: Sequence[Sample], fused: Fused) -> list[float]:
    """For each fused box the mean IoU with it of the boxes that overlap it enough to be fused."""
    every = np.array([box for sample in answered for box in sample.boxes], dtype=np.float64).reshape(-1, 4)
    found = []
    for box in fused.boxes:
        shared = overlap(every, box)
        found.append(float(shared[shared > FUSE_IOU].mean()) if (shared > FUSE_IOU).any() else 0.0)
    return found


def _question(ctx: ToolContext, question: str | None, phrase: str | None) -> str:
    if (question is None) == (phrase is None):
        raise ToolError("give either a question or a phrase")
    words = " ".join(str(question or phrase).split())
    limit = ctx.limits.max_phrase if question is None else ctx.limits.max_question
    if not words or len(words) > limit:
        raise ToolError(f"the question or phrase must have 1 to {limit} characters")
    return words if phrase is None else prompts.fill("refine.txt", phrase=words)


def _usage(drawn: Sequence[Sample]) -> dict[str, int]:
    given, made = (sum(sample.tokens[i] for sample in drawn) for i in (0, 1))
    return {"input_tokens": given, "output_tokens": made, "calls": len(drawn)}


def _evidence(ctx: ToolContext, name: str, fused: Fused, kept: int, label: str) -> tuple[Evidence, ...]:
    """The boxes that most answers share; their score is the share of answers, which only ranks."""
    view = ctx.views[name]
    image, made = ctx.image(view), []
    for box, score in zip(fused.boxes[:kept], fused.scores[:kept], strict=True):
        placed = view.frame.box(*(float(number) for number in box))
        bare = seen_at(placed, view, image, label=label[:80], tool="refine", view_name=name)
        made.append(bare.model_copy(update={"score": round(float(score), 4), "score_kind": "relative"}))
    return tuple(made)
