"""The agent's answer as a `Prediction`: its words, its claims, and the boxes that claims of presence cite.

Reads `Result.to_json()` or a `GroundedAnswer` as JSON. Knows no question, no convention (the agent has mapped
all boxes to source pixels) and no ground truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foveate.agent.answer import GroundedAnswer
from foveate.evals.contract.answers import Claim, Prediction
from foveate.evals.contract.questions import Region
from foveate.tools.evidence import Evidence


@dataclass(frozen=True)
class SeenImage:
    """An image of the question as the agent knew it: its id, and the plane that it opens in."""

    id: str
    plane: str


def prediction_of(answer: Mapping[str, Any], images: Sequence[SeenImage]) -> Prediction:
    """The prediction in an answer to a question about `images`, in the question's order.

    A box cited twice is one region. Regions in an image's opening plane have `plane` None, as targets have.
    Only scores on a fixed scale are kept: relative ones do not compare across images. Raises ValueError
    (pydantic's is one) for what is no answer of the agent, or cites an image that the question has not.
    """
    fields = {name: answer[name] for name in GroundedAnswer.model_fields if name in answer}
    told = GroundedAnswer.model_validate({**fields, "text": answer.get("answer", answer.get("text"))})
    known = {evidence.id: evidence for evidence in told.evidence}
    regions: list[Region] = []
    claims = []
    for claim in told.claims:
        cited = [_region(known[name], images) for name in claim.evidence] if claim.present else []
        regions += [region for region in dict.fromkeys(cited) if region not in regions]
        numbers = tuple(dict.fromkeys(regions.index(region) for region in cited))
        claims.append(Claim(claim.text, claim.present, claim.supported, numbers))
    return Prediction(
        text=told.text,
        abstained=told.abstained,
        reason=told.reason,
        confidence=told.confidence,
        claims=tuple(claims),
        regions=tuple(regions),
        stopped_by=str(answer.get("stopped_by", "answer")),
        failure=answer.get("failure"),
    )


def _region(evidence: Evidence, images: Sequence[SeenImage]) -> Region:
    for number, image in enumerate(images):
        if image.id == evidence.image:
            return Region(
                box=evidence.box,
                image=number,
                slice_index=evidence.slice,
                plane=None if evidence.plane == image.plane else evidence.plane,
                label=evidence.label,
                score=evidence.score if evidence.score_kind == "fixed_scale" else None,
            )
    raise ValueError(f"evidence {evidence.id} is of an image that the question does not have")
