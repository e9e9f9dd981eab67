"""What one question may cost, and which limit ended it.

A step of a budget is one reply of the model with all the calls in it. Knows no graph: it is given the
numbers and names the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StoppedBy = Literal["answer", "steps", "seconds", "tokens", "repairs", "loop", "model_error"]

MAX_QUESTION = 8_000
"""Characters of a question; a longer one is refused before anything is opened."""
MAX_IMAGES = 16


@dataclass(frozen=True)
class Budget:
    """Limits of one question.

    `steps` is how many replies the model may give, the answer among them. `seconds` is wall time from the
    question to the last model call or tool call, which are abandoned when it is over. `tokens` counts input
    and output of all model calls that report them. `repairs` is how many replies that do not parse, or
    answers that do not stand, are handed back to the model.
    """

    steps: int = 8
    seconds: float = 120.0
    tokens: int = 200_000
    repairs: int = 2

    def __post_init__(self) -> None:
        if self.steps < 1 or self.seconds <= 0 or self.tokens < 1 or self.repairs < 0:
            raise ValueError(
                "A budget needs steps, seconds and tokens above zero, and repairs of zero or more."
            )

    def spent(self, steps: int, seconds: float, tokens: int) -> StoppedBy | None:
        """The limit that is reached after so many replies, seconds and tokens, or None."""
        if seconds >= self.seconds:
            return "seconds"
        if tokens >= self.tokens:
            return "tokens"
        return "steps" if steps >= self.steps else None
