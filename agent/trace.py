"""One step of a run as it is told to people and replayed by machines.

Knows no graph. Times are wall seconds; `views` and `evidence` are the names that the step made.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Step(BaseModel):
    """One tool call, repair turn ("repair") or answer ("answer"), in the order of the model's calls.

    `turn` counts the model's replies, so that calls made together share it. `arguments` are those the tool
    ran with; a view that the model left out is filled in. `facts` are what is behind the
    observation beyond the arguments.
    `error` says why `ok` is False.
    """

    model_config = ConfigDict(frozen=True)

    n: int
    turn: int
    tool: str
    arguments: dict[str, Any] = {}
    ok: bool = True
    seconds: float = 0.0
    observation: str = ""
    views: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    facts: dict[str, Any] = {}
    error: str | None = None

    def record(self, *, observation_kept: bool = True) -> dict[str, Any]:
        """The JSON form kept in the state, without defaults and without what a message holds already."""
        told = self.model_dump(mode="json", exclude_defaults=True)
        if not observation_kept:
            told.pop("observation", None)
        return {**told, "seconds": round(self.seconds, 4)}


def call_id(number: int) -> str:
    """The id of the call of step `number`: nine letters and digits, the form that every provider takes."""
    return f"call{number:05d}"
