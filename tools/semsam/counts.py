"""Adds up what semantic sampling did in several replies. Light to import; knows no tensor."""

from __future__ import annotations

from collections import Counter
from typing import Any

Report = dict[str, Any]
SHOWN = 20


def added(first: Report | None, second: Report) -> Report:
    """Two reports of `Diagnostics` as one."""
    if first is None:
        return second
    numbers = ("steps", "deferred", "single", "changed", "same_word", "antonym_flips")
    total = {key: first[key] + second[key] for key in numbers}
    reasons: Counter[str] = Counter(first["deferred_by"]) + Counter(second["deferred_by"])
    return {
        **total,
        "deferral_rate": round(total["deferred"] / total["steps"], 4) if total["steps"] else None,
        "deferred_by": dict(reasons.most_common()),
        "changed_to": _pairs(first["changed_to"], second["changed_to"]),
        "flips": _pairs(first["flips"], second["flips"]),
    }


def _pairs(first: list[Report], second: list[Report]) -> list[Report]:
    counts: Counter[tuple[str, str]] = Counter()
    for told in (*first, *second):
        counts[told["from"], told["to"]] += told["count"]
    return [{"from": a, "to": b, "count": n} for (a, b), n in counts.most_common(SHOWN)]
