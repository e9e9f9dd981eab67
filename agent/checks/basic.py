"""The checks that cost no call: geometry of each claim, words of the answer, claims of earlier turns.

Reads the conversation's state; knows no model and no grounder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from foveate.agent.answer import Claim, GroundedAnswer
from foveate.agent.state import AgentState, evidence_of, views_of
from foveate.tools.checks.geometry import Verdict, reason, verify
from foveate.tools.checks.turns import Slice, Stated, contradicted
from foveate.tools.evidence import Evidence
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

Images = Callable[[str], SourceImage]


def geometry_of(claim: Claim, evidence: Mapping[str, Evidence], image_of: Images) -> list[Verdict]:
    """What the claim says of space, verified; nothing for a claim of absence, which has no place."""
    if not claim.present:
        return []
    return verify(claim.text, [evidence[name] for name in claim.evidence if name in evidence], image_of)


def prose_fault(answer: GroundedAnswer, image_of: Images) -> str | None:
    """Why the answer's own words cannot stand: a sentence with a side or a number that no region bears out.

    A sentence that names regions is held to them; any other to what at least one cited region bears out.
    """
    evidence = {each.id: each for each in answer.evidence}
    if answer.abstained or not evidence:
        return None
    for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z])", answer.text):
        if re.match(r"\W*(?:no|not)\b", sentence.lower()):
            continue
        named = [evidence[name] for name in re.findall(r"\bE\d+\b", sentence) if name in evidence]
        cited = named or list(evidence.values())
        if not named and len(cited) > 1:
            faults = [_fault(verify(sentence, [each], image_of)) for each in cited]
            fault = faults[0] if all(faults) and not _relates(sentence, cited, image_of) else None
        else:
            fault = _fault(verify(sentence, cited, image_of))
        if fault:
            return fault
    return None


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


def _relates(sentence: str, cited: Sequence[Evidence], image_of: Images) -> bool:
    """Whether the sentence holds of all the regions together, as "left and right kidney" does."""
    return _fault(verify(sentence, cited, image_of)) is None


def _earlier(state: AgentState) -> list[Stated]:
    """What earlier answers claimed and no check refuted, oldest first."""
    evidence, first = evidence_of(state), state["asked"]["steps"]
    found, begin = [], 0
    for n, step in enumerate(state["steps"][:first]):
        if step["tool"] != "answer" or step.get("arguments", {}).get("abstained"):
            continue
        taken_back = _refuted(state["steps"][n + 1 : first])
        seen = _seen(state, begin, n)
        for k, claim in enumerate(step.get("arguments", {}).get("claims", [])):
            if k in taken_back:
                continue
            names = [*claim.get("evidence", []), *(step.get("evidence", []) if claim.get("box") else [])]
            found.append(_stated(claim["text"], claim.get("present", True), names, evidence, seen))
        begin = n + 1
    return found


def _refuted(steps: Sequence[Mapping[str, Any]]) -> set[int]:
    """Indices that the checks right after an answer took back."""
    found: set[int] = set()
    for step in steps:
        if step["tool"] == "answer":
            break
        if step["tool"] == "check":
            found |= {int(n) for n in step.get("facts", {}).get("refuted", {})}
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
    """The slices that a question's steps looked at; its opening view where they name none."""
    views = views_of(state)
    used = [views[n] for s in state["steps"][begin:end] if (n := s.get("arguments", {}).get("view")) in views]
    shown = used or [views[name] for name in (state["asked"]["view"],) if name in views]
    return frozenset(_slice(view) for view in shown)


def _slice(view: View) -> Slice:
    return view.image_id, view.plane, view.slice_index
