"""The end of a question: the model's answer tied to its evidence, or the best that a cut-off run supports.

Knows the profile's box convention, for boxes that the model draws itself. Knows no graph and calls no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foveate.agent import answer as answers
from foveate.agent import gate
from foveate.agent.models.conventions import BoxConventionError
from foveate.agent.models.profiles import Profile
from foveate.agent.state import AgentState, evidence_of, evidence_record, turn_of, views_of
from foveate.agent.trace import Step
from foveate.tools.context import ToolContext
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.imaging.frames import BoxError
from foveate.tools.imaging.store import ImageStore

MAX_LABEL = 80


@dataclass(frozen=True)
class Concluder:
    """Makes the `answer` of a state."""

    store: ImageStore
    profile: Profile

    def answer(self, state: AgentState) -> AgentState:
        """The answer, or the error in it as `pending`, which goes to repair."""
        if state.get("stopped_by") == gate.STOP:
            return AgentState(answer=gate.refusal(str(state["failure"])).model_dump(mode="json"))
        if state.get("stopped_by"):
            return AgentState(answer=self._best(state).model_dump(mode="json"))
        n = len(state["steps"]) + 1
        arguments, evidence = state["pending"]["answer"], evidence_of(state)
        given = None
        try:
            given = answers.read_answer(arguments)
            done = answers.grounded(given, evidence, _absent(state), self._drawer(state, n))
        except (answers.AnswerError, BoxConventionError, BoxError) as error:
            return self._faulty(state, given, str(error))
        done = gate.lowered(done, state)
        drawn = [e for e in done.evidence if e.id not in evidence]
        names = tuple(e.id for e in drawn)
        step = Step(n=n, turn=turn_of(state), tool="answer", arguments=arguments, evidence=names)
        return AgentState(
            answer=done.model_dump(mode="json"),
            evidence={e.id: evidence_record(e) for e in drawn},
            steps=[step.record()],
            stopped_by="answer",
        )

    def _faulty(self, state: AgentState, given: answers.AnswerArguments | None, error: str) -> AgentState:
        """Sends the answer back, and keeps what of it would stand in case that no better one comes."""
        update = AgentState(pending={**state["pending"], "error": error})
        if given is not None:
            evidence = evidence_of(state)
            kept = answers.without_unknown(given, evidence)
            draft = answers.grounded(kept, evidence, _absent(state), self._drawer(state, 0))
            update["draft"] = draft.model_dump(mode="json")
        return update

    def _drawer(self, state: AgentState, step: int) -> answers.DrawBox:
        views = views_of(state)
        ctx = ToolContext(self.store, views)

        def draw(numbers: Sequence[float], name: str | None, label: str) -> Evidence:
            if name is not None and name not in views:
                known = ", ".join(views)
                raise answers.AnswerError(f"answer: there is no view {name[:20]}; views are {known}")
            name = ctx.view_name(name)
            view = views[name]
            box = view.frame.box(*self.profile.box_to_view(numbers, view.width, view.height))
            made = seen_at(box, view, ctx.image(view), label=label[:MAX_LABEL], tool="model", view_name=name)
            return made.model_copy(update={"step": step})

        return draw

    def _best(self, state: AgentState) -> answers.GroundedAnswer:
        draft = state.get("draft")
        kept = draft and answers.only_supported(answers.GroundedAnswer.model_validate(draft))
        if kept:
            return kept
        first = state["asked"]["steps"]
        found = [e for e in evidence_of(state).values() if e.step > first]
        return answers.from_evidence(found, str(state["stopped_by"]))


def _absent(state: AgentState) -> list[str]:
    """Phrases whose absence was decided on a fixed scale."""
    told = ({**step.get("arguments", {}), **step.get("facts", {})} for step in state["steps"])
    return [facts["phrase"] for facts in told if facts.get("absent")]
