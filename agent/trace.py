"""One step of a run as it is told to people and replayed by machines.

Knows no graph. Times are wall seconds; `views` and `evidence` are the names that the step made.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Step(BaseModel):
    """One tool call, repair turn ("repair") or answer ("answer"), in the order of the model's calls.

    `turn` counts the model's replies, so that calls made together share it. `arguments` are those the tool
    ran with; a view that the model left out is filled in. `facts` are the numbers behind the observation.
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

    def record(self) -> dict[str, Any]:
        """The JSON form kept in the state; defaults are left out."""
        told = self.model_dump(mode="json", exclude_defaults=True)
        return {**told, "seconds": round(self.seconds, 4)}
