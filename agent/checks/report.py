"""What the checks of a question did, for `ask --json`. Reads steps; knows no graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from foveate.agent.trace import Step


def checks_told(steps: Sequence[Step]) -> dict[str, Any] | None:
    """The level, what was refuted and why, and how many calls it took; None where nothing was checked."""
    made = [step for step in steps if step.tool == "check"]
    if not made:
        return None
    refuted = {n: why for step in made for n, why in step.facts.get("refuted", {}).items()}
    spoken = [v for step in made for v in step.facts.get("verdicts", [])]
    return {
        "level": made[0].arguments.get("level", "none"),
        "refuted": [{"claim": int(n), "reason": why} for n, why in sorted(refuted.items(), key=_number)],
        "stated": len(spoken),
        "unjudged": sum(v["holds"] is None for v in spoken),
        "model_calls": sum(step.facts["usage"]["calls"] for step in made if "usage" in step.facts),
        "grounder_calls": sum(step.arguments["kind"] == "presence" for step in made),
        "seconds": round(sum(step.seconds for step in made), 3),
    }


def _number(item: tuple[str, str]) -> int:
    return int(item[0])
