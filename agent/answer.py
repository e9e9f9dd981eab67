"""The grounded answer: claims tied to evidence, or an honest abstention.

Reads the arguments of a model's `answer` call. Knows no graph and no message format; boxes that a model wrote
are turned into evidence by the caller, who knows the views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from foveate import prompts
from foveate.tools.arguments import about, told
from foveate.tools.evidence import Evidence

Reason = Literal["not_visible", "cannot_tell", "image_unusable", "no_evidence"]
MAX_CLAIMS = 50

# Makes evidence of a box that the model wrote: (numbers, view name or None, label) -> evidence.
DrawBox = Callable[[Sequence[float], str | None, str], Evidence]


class AnswerError(ValueError):
    """Why an answer cannot stand as it is, in words that a model can act on."""


class ClaimArguments(BaseModel):
    """One claim as a model writes it."""

    text: Annotated[str, Field(description=about("answer", "claim_text"), min_length=1)]
    evidence: Annotated[list[str], told("answer", "claim_evidence")] = []
    present: Annotated[bool, told("answer", "claim_present")] = True
    box: Annotated[list[float] | None, told("answer", "claim_box")] = None
    view: Annotated[str | None, told("answer", "claim_view")] = None


class AnswerArguments(BaseModel):
    """The arguments of the `answer` call."""

    text: Annotated[str, Field(description=about("answer", "text"), min_length=1)]
    claims: Annotated[
        list[ClaimArguments], Field(description=about("answer", "claims"), max_length=MAX_CLAIMS)
    ] = []
    confidence: Annotated[float | None, Field(description=about("answer", "confidence"), ge=0, le=1)] = None
    abstained: Annotated[bool, told("answer", "abstained")] = False
    reason: Annotated[Reason | None, told("answer", "reason")] = None


class Claim(BaseModel):
    """One statement with the ids of the evidence that shows it.

    `present` is False for a statement of absence. `supported` is False for an uncited positive claim, and for
    a claim of absence that neither cites evidence nor names a phrase whose absence was decided on a fixed
    scale. `refuted` says why a check took the claim back.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    evidence: tuple[str, ...] = ()
    present: bool = True
    supported: bool = False
    refuted: str | None = Field(default=None, exclude_if=lambda reason: reason is None)


class GroundedAnswer(BaseModel):
    """An answer in words, its claims and their evidence. `confidence` is the model's own, None if not
    stated."""

    model_config = ConfigDict(frozen=True)

    text: str
    claims: tuple[Claim, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    confidence: float | None = None
    abstained: bool = False
    reason: Reason | None = None
    notice: str = Field(default_factory=lambda: prompts.text("notice.txt"))


def read_answer(arguments: Mapping[str, Any]) -> AnswerArguments:
    """Checked arguments of an answer call. Raises AnswerError with the first fault."""
    try:
        given = AnswerArguments.model_validate(arguments)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise AnswerError(f"answer: {where or 'arguments'}: {fault['msg']}") from None
    if given.reason is not None and not given.abstained:
        raise AnswerError("answer: reason is only for an answer with abstained true")
    return given


def unknown_evidence(given: AnswerArguments, known: Iterable[str]) -> list[str]:
    """Cited names that no tool call made, in order of citation."""
    names = set(known)
    cited = (name for claim in given.claims for name in claim.evidence)
    return list(dict.fromkeys(name for name in cited if name not in names))


def grounded(
    given: AnswerArguments,
    evidence: Mapping[str, Evidence],
    absent_phrases: Iterable[str],
    draw_box: DrawBox,
) -> GroundedAnswer:
    """The answer with its claims tied to evidence. Raises AnswerError for unknown evidence or a box that is
    none."""
    unknown = unknown_evidence(given, evidence)
    if unknown:
        known = ", ".join(evidence) or "none"
        raise AnswerError(f"answer: there is no evidence {', '.join(unknown)[:60]}; evidence is {known}")
    used, drawn = dict(evidence), {}
    claims = []
    for claim in given.claims:
        ids = list(dict.fromkeys(claim.evidence))
        if claim.box is not None:
            made = draw_box(claim.box, claim.view, claim.text[:80])
            made = made.model_copy(update={"id": f"E{len(used) + 1}"})
            used[made.id] = drawn[made.id] = made
            ids.append(made.id)
        claims.append(_claim(claim, ids, absent_phrases))
    cited = dict.fromkeys(name for claim in claims for name in claim.evidence)
    return GroundedAnswer(
        text=given.text,
        claims=tuple(claims),
        evidence=tuple(used[name] for name in cited),
        confidence=given.confidence,
        abstained=given.abstained,
        reason=(given.reason or "cannot_tell") if given.abstained else None,
    )


def without_unknown(given: AnswerArguments, known: Iterable[str]) -> AnswerArguments:
    """The answer without boxes and without citations of what was never found, should no repair come."""
    names = set(known)
    claims = [
        claim.model_copy(update={"evidence": [n for n in claim.evidence if n in names], "box": None})
        for claim in given.claims
    ]
    return given.model_copy(update={"claims": claims})


def only_supported(answer: GroundedAnswer) -> GroundedAnswer | None:
    """The answer reduced to its supported claims; None when there is none."""
    kept = tuple(claim for claim in answer.claims if claim.supported)
    if not kept:
        return None
    cited = {name for claim in kept for name in claim.evidence}
    text = answer.text if len(kept) == len(answer.claims) else " ".join(claim.text for claim in kept)
    evidence = tuple(e for e in answer.evidence if e.id in cited)
    return answer.model_copy(update={"text": text, "claims": kept, "evidence": evidence})


def from_evidence(evidence: Sequence[Evidence], stopped_by: str) -> GroundedAnswer:
    """What can be said of a run that was ended before an answer: the regions that were found, or nothing."""
    found = [e for e in evidence if e.tool == "ground"]
    if not found:
        text = prompts.fill("cut_off_nothing.txt", stopped_by=stopped_by)
        return GroundedAnswer(text=text, abstained=True, reason="no_evidence", confidence=0.0)
    labels = dict.fromkeys(e.label for e in found)
    claims = tuple(
        Claim(text=label, evidence=tuple(e.id for e in found if e.label == label), supported=True)
        for label in labels
    )
    text = prompts.fill("cut_off_found.txt", stopped_by=stopped_by, found=", ".join(labels))
    return GroundedAnswer(
        text=text, claims=claims, evidence=tuple(found), abstained=True, reason="cannot_tell"
    )


def _claim(claim: ClaimArguments, ids: list[str], absent_phrases: Iterable[str]) -> Claim:
    words = claim.text.lower()
    decided = not claim.present and any(phrase.lower() in words for phrase in absent_phrases)
    return Claim(text=claim.text, evidence=tuple(ids), present=claim.present, supported=bool(ids) or decided)
