"""What becomes of an answer of which checks refuted something: claims marked, words taken back.

Knows the answer's form; calls nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from foveate.agent.answer import GroundedAnswer
from foveate.tools.checks.geometry import reason


def withdrawn(answer: GroundedAnswer, refuted: Mapping[int, str], prose: str | None = None) -> GroundedAnswer:
    """The answer with refuted claims (index → reason) unsupported; `prose` says why its words cannot stand.

    The text becomes the supported claims and what was withdrawn. With nothing supported left the answer
    abstains. Without a refutation it stays as it is.
    """
    if not refuted and prose is None:
        return answer
    claims = tuple(
        claim.model_copy(update={"supported": False, "refuted": refuted[n]}) if n in refuted else claim
        for n, claim in enumerate(answer.claims)
    )
    kept = [claim for claim in claims if claim.supported]
    lines = [claim.text for claim in kept] or [reason("all_withdrawn")]
    lines += [
        reason("withdrawn", claim=claim.text.rstrip("."), reason=claim.refuted.rstrip("."))
        for claim in claims
        if claim.refuted
    ]
    lines += [reason("prose", reason=prose)] if prose is not None and not refuted else []
    update: dict[str, object] = {"text": " ".join(lines), "claims": claims}
    if not kept:
        update |= {"abstained": True, "reason": "no_evidence", "confidence": 0.0}
    return answer.model_copy(update=update)
