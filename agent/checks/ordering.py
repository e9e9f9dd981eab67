"""The vote over the orders of a question's options. Knows no graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foveate.agent.answer import GroundedAnswer
from foveate.agent.checks.asking import OneLook
from foveate.agent.checks.choices import LETTERS, read_choice, vote
from foveate.agent.state import AgentState, views_of

if TYPE_CHECKING:
    from foveate.agent.checks.node import Course


@dataclass(frozen=True)
class Ordering:
    """`look` is None for a model that cannot be asked."""

    look: OneLook | None = None

    def voted(
        self, state: AgentState, answer: GroundedAnswer, course: Course, left: Callable[[], float]
    ) -> GroundedAnswer:
        """The answer that most orders choose, with their share as confidence; unchanged on a tie, without
        options, or where the answer names none."""
        choice = read_choice(state["question"])
        if choice is None or self.look is None or answer.abstained:
            return answer
        first = list(range(len(choice.options)))
        own = choice.chosen(answer.text, first)
        if own is None:
            return answer
        view, chosen = views_of(state)[state["asked"]["view"]], [own]
        for order in choice.orders():
            if left() <= 0:
                break
            question = choice.asked(order)
            look = self.look.ask(question, view, left())
            meant = choice.chosen(look.text, order) if look.text else None
            chosen += [] if meant is None else [meant]
            told = {"chosen": None if meant is None else LETTERS[meant], "usage": look.usage}
            course.step(
                "order",
                told,
                arguments={"order": "".join(LETTERS[k] for k in order)},
                seconds=look.seconds,
                ok=look.error is None,
                error=look.error,
            )
        most, share = vote(chosen)
        course.step("vote", {"chosen": None if most is None else LETTERS[most], "share": round(share, 3)})
        if most is None or most == own:
            return answer if most is None else answer.model_copy(update={"confidence": round(share, 3)})
        # what the first answer claimed was claimed for another option
        text = f"{LETTERS[most]}) {choice.options[most]}"
        return GroundedAnswer(text=text, confidence=round(share, 3), notice=answer.notice)
