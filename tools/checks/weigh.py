"""How much each witness of a claim is worth: log likelihood ratios, added up.

A witness is a question put to the model or the grounder after the answer. What its answers are worth is
measured once for each model and grounder (`python -m foveate.pocket.checks_report --calibrate`, on patients
that are not reported on) and kept in trust.toml; a witness whose answers are worth nothing is not asked. One
of an unmeasured model or grounder may refute a claim alone. Knows no model.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

NOTHING = 0.1
"""A witness none of whose answers moves the log odds by more is not worth a call."""
TABLE = Path(__file__).with_name("trust.toml")


@dataclass(frozen=True)
class Trust:
    """`worth[witness][answer]`: log likelihood ratio of a true claim to a false one. `prior`: log odds before
    any witness. `floor`: presence (0 to 1) from which a grounder is taken to find the thing; None for its
    own threshold. `overlap`: IoU with the evidence from which what it finds there counts as what is shown;
    None where any does."""

    worth: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    prior: float = 0.5
    floor: float | None = None
    overlap: float | None = None

    def asks(self, witness: str) -> bool:
        return any(abs(value) > NOTHING for value in self.worth.get(witness, {}).values())

    def log_odds(self, votes: Mapping[str, str]) -> float:
        """Of the claim being true, after the votes (witness → answer); an unknown answer is worth nothing."""
        return self.prior + sum(self.worth.get(w, {}).get(answer, 0.0) for w, answer in votes.items())


def trust_in(model: str, grounder: str | None) -> Trust:
    """What is known of a profile and a grounder by name; the default for either where nothing is."""
    models, grounders = table()["model"], table()["grounder"]
    of_model, of_grounder = (
        models.get(model, models["default"]),
        grounders.get(grounder, grounders["default"]),
    )
    worth = {name: dict(row) for name, row in (of_model | of_grounder).items() if isinstance(row, dict)}
    return Trust(worth, table()["prior"], of_grounder.get("floor"), of_grounder.get("overlap"))


@cache
def table() -> dict[str, Any]:
    """trust.toml, read once."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))
