"""The vote over the orders of a question's options. Knows no graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foveate.agent.answer import GroundedAnswer
from foveate.agent.checks.asking import OneLook
from foveate.agent.checks.choices import LETTERS, Choice, read_choice, vote
from foveate.agent.gate import lowered
from foveate.agent.state import AgentState, opening_of
from foveate.tools.imaging.views import View

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
        options, or where the answer names none. `left` gives the seconds that remain."""
        choice = read_choice(state["question"])
        if choice is None or self.look is None or answer.abstained:
            return answer
        own = choice.chosen(answer.text, list(range(len(choice.options))))
        if own is None:
            return answer
        others = self._others(self.look, choice, opening_of(state), course, left)
        most, share = vote([own, *others])
        told = {"chosen": None if most is None else LETTERS[most], "share": round(share, 3)}
        course.step("vote", {**told, "replaced": most not in (None, own)})
        if most is None:
            return answer
        if most == own:
            return lowered(answer.model_copy(update={"confidence": round(share, 3)}), state)
        # what the first answer claimed was claimed for another option
        text = f"{LETTERS[most]}) {choice.options[most]}"
        voted = GroundedAnswer(text=text, confidence=round(share, 3), notice=answer.notice)
        return lowered(voted, state)

    def _others(
        self, look: OneLook, choice: Choice, views: Sequence[View], course: Course, left: Callable[[], float]
    ) -> Iterator[int | None]:
        """What is chosen in each other order, while there is time; None where the reply names no option."""
        for order in choice.orders():
            if left() <= 0:
                return
            told = look.ask(choice.asked(order), views, left())
            meant = choice.chosen(told.text, order) if told.text else None
            facts = {"chosen": None if meant is None else LETTERS[meant], "usage": told.usage}
            asked = {"order": "".join(LETTERS[k] for k in order)}
            course.step(
                "order", facts, arguments=asked, seconds=told.seconds, ok=told.error is None, error=told.error
            )
            yield meant
