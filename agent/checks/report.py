"""What the checks of a question did, for `ask --json`. Reads steps; knows no graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from foveate.agent.trace import Step

CALLS = {"presence": "presence", "crop": "entailment", "claim": "twin", "twin": "twin", "order": "order"}
"""The kinds of steps that cost a call, and the check that each belongs to."""


def checks_told(steps: Sequence[Step]) -> dict[str, Any] | None:
    """The level, what was refuted and why, and how many calls it took; None where nothing was checked.

    `stated` counts sides, sizes, counts and relations read from the claims, `unjudged` those that the
    geometry could not tell. `calls` has each check that cost calls: presence asks the grounder, entailment,
    twin and order ask the model.
    """
    made = [step for step in steps if step.tool == "check"]
    if not made:
        return None
    refuted = {int(n): why for step in made for n, why in step.facts.get("refuted", {}).items()}
    spoken = [v for step in made for v in step.facts.get("verdicts", [])]
    calls = Counter(CALLS[kind] for step in made if (kind := step.arguments["kind"]) in CALLS)
    return {
        "level": next(step.arguments["level"] for step in made if "level" in step.arguments),
        "refuted": [{"claim": n, "reason": why} for n, why in sorted(refuted.items())],
        "stated": len(spoken),
        "unjudged": sum(v["holds"] is None for v in spoken),
        "calls": dict(calls),
        "model_calls": sum(step.facts["usage"]["calls"] for step in made if "usage" in step.facts),
        "grounder_calls": calls["presence"],
        "seconds": round(sum(step.seconds for step in made), 3),
    }
