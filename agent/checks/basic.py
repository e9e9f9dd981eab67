"""The checks that cost no call: geometry of each claim, words of the answer, claims of earlier turns.

Reads the conversation's state; knows no model and no grounder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from foveate.agent.answer import Claim, GroundedAnswer, read_answer
from foveate.agent.state import AgentState, evidence_of, opening_of, views_of
from foveate.tools.checks.geometry import Verdict, reason, verify
from foveate.tools.checks.said import read_claim
from foveate.tools.checks.turns import Slice, Stated, contradicted
from foveate.tools.evidence import Evidence
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

Images = Callable[[str], SourceImage]
_DENIAL = re.compile(
    r"\W*(?:no|not|without|there\s+(?:is|are|was|were)\s+(?:no|not)|i\s+(?:see|find|found|saw)\s+no"
    r"|(?:[a-z]+\s+){1,3}(?:shows?|has|have)\s+no)\b"
)
"""A sentence of what is not there: its sides and numbers are nobody's."""


def geometry_of(claim: Claim, evidence: Mapping[str, Evidence], image_of: Images) -> list[Verdict]:
    """What the claim says of space, verified; nothing for a claim of absence, which has no place."""
    if not claim.present:
        return []
    return verify(claim.text, [evidence[name] for name in claim.evidence if name in evidence], image_of)


def prose_fault(
    answer: GroundedAnswer, image_of: Images, known: Mapping[str, Evidence], question: str = ""
) -> str | None:
    """Why the answer's own words cannot stand: a sentence with a side or a number that no region bears out.

    A sentence that names regions is held to them; any other to what at least one cited region bears out. An
    answer that cites nothing is held in its numbers to what is `known` at all, and to the question's own.
    """
    if answer.abstained:
        return None
    for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z])", answer.text):
        if _DENIAL.match(sentence.lower()):
            continue
        if answer.evidence:
            fault = _cited_fault(sentence, answer.evidence, image_of)
        else:
            fault = _unmeasured(sentence, list(known.values()), image_of, question)
        if fault:
            return fault
    return None


def _cited_fault(sentence: str, evidence: Sequence[Evidence], image_of: Images) -> str | None:
    names = set(re.findall(r"\bE\d+\b", sentence))
    named = [each for each in evidence if each.id in names]
    together = _fault(verify(sentence, named or evidence, image_of))
    if named or len(evidence) == 1 or together is None:  # of all regions, as "left and right kidney" is
        return together
    faults = [_fault(verify(sentence, [each], image_of)) for each in evidence]
    return faults[0] if all(faults) else None


def _unmeasured(sentence: str, known: Sequence[Evidence], image_of: Images, question: str) -> str | None:
    """A number with a unit that neither a region nor the question has."""
    measured = [v for each in known for v in verify(sentence, [each], image_of) if v.what == "size"]
    right = {verdict.said for verdict in measured if verdict.holds}
    asked = " ".join(question.lower().split())
    said = (size.text for size in read_claim(sentence).sizes)
    wrong = next((text for text in said if text not in right and text not in asked), None)
    return None if wrong is None else reason("no_tool", said=wrong)


def turn_faults(state: AgentState, answer: GroundedAnswer) -> dict[int, str]:
    """Claims (by index) that contradict what an earlier answer of the conversation claimed."""
    earlier = _earlier(state)
    if not earlier:
        return {}
    evidence, seen = evidence_of(state), _seen(state, state["asked"]["steps"], len(state["steps"]))
    found = {}
    for n, claim in enumerate(answer.claims):
        old = contradicted(_stated(claim.text, claim.present, claim.evidence, evidence, seen), earlier)
        if old is not None and claim.supported:
            found[n] = reason("turn", earlier=old.text)
    return found


def _fault(verdicts: Sequence[Verdict]) -> str | None:
    # a relation in prose may be between things that only the claims cite
    return next((v.reason for v in verdicts if v.holds is False and v.what in ("side", "size")), None)


def _earlier(state: AgentState) -> list[Stated]:
    """What earlier answers claimed and no check refuted, oldest first."""
    evidence, first = evidence_of(state), state["asked"]["steps"]
    found, begin = [], 0
    for n, step in enumerate(state["steps"][:first]):
        if step["tool"] != "answer" or step.get("arguments", {}).get("abstained"):
            continue
        claims = read_answer(step.get("arguments", {})).claims
        taken_back = _taken_back(state["steps"][n + 1 : first], len(claims))
        seen = _seen(state, begin, n)
        for k, claim in enumerate(claims):
            if k in taken_back:
                continue
            # which of the boxes that the answer drew is this claim's own is not kept: they count for all such
            names = [*claim.evidence, *(step.get("evidence", []) if claim.box else [])]
            found.append(_stated(claim.text, claim.present, names, evidence, seen))
        begin = n + 1
    return found


def _taken_back(steps: Sequence[Mapping[str, Any]], count: int) -> set[int]:
    """Indices of the `count` claims of an answer that the checks right after it took back: those refuted, or
    all where a vote chose another answer."""
    found: set[int] = set()
    for step in steps:
        if step["tool"] == "answer":
            break
        if step["tool"] == "check":
            facts = step.get("facts", {})
            found |= (
                set(range(count)) if facts.get("replaced") else {int(n) for n in facts.get("refuted", {})}
            )
    return found


def _stated(
    text: str,
    present: bool,
    names: Sequence[str],
    evidence: Mapping[str, Evidence],
    seen: frozenset[Slice],
) -> Stated:
    cited = frozenset((e.image, e.plane, e.slice) for name in names if (e := evidence.get(name)))
    return Stated(text, present, cited or seen)


def _seen(state: AgentState, begin: int, end: int) -> frozenset[Slice]:
    """The slices that a question's steps looked at; those of its opening views where they name none."""
    views = views_of(state)
    used = [views[n] for s in state["steps"][begin:end] if (n := s.get("arguments", {}).get("view")) in views]
    return frozenset(_slice(view) for view in used or opening_of(state))


def _slice(view: View) -> Slice:
    return view.image_id, view.plane, view.slice_index
