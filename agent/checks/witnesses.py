"""The witnesses of each claim, heard again: the grounder on its evidence, the model on its evidence and on
its twin; what they say is weighed by what they are worth.

Evidence entailment is RadFact's (Bannur et al., MAIRA-2, 2024) put at run time. Knows no graph.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foveate.agent.answer import Claim, GroundedAnswer
from foveate.agent.checks.asking import OneLook
from foveate.agent.checks.case import Case, Found, Left, asked_of, overlap_with, part_of
from foveate.agent.checks.twins import crop_question, twins
from foveate.agent.models.profiles import Profile
from foveate.agent.state import AgentState, evidence_of, opening_of, views_of
from foveate.tools.checks.geometry import reason
from foveate.tools.checks.weigh import Trust
from foveate.tools.context import ToolContext, ToolError, ToolLimits
from foveate.tools.evidence import Evidence
from foveate.tools.grounding.picture import NO_NAME
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View
from foveate.tools.look import zoom

if TYPE_CHECKING:
    from foveate.agent.checks.node import Course

MARGIN = 0.1
"""Of its sides around a region: its evidence alone, with an edge to stand out from."""
OUTCOMES = {("yes", "no"): "consistent", ("yes", "yes"): "both", ("no", "yes"): "reversed"}
"""What the model says to a claim and to its twin."""
WORST_FIRST = ("missing", "elsewhere", "found")
"""Of several regions the one that bears a claim out best speaks for it."""


@dataclass(frozen=True)
class Witnesses:
    """`look` is None for a model that cannot be asked, `grounder` where there is none."""

    store: ImageStore
    profile: Profile
    trust: Trust
    grounder: Grounder | None = None
    look: OneLook | None = None

    def heard(self, state: AgentState, answer: GroundedAnswer, course: Course, left: Left) -> None:
        """Hears the witnesses of every claim that still stands; refutes those that they are against."""
        for n, claim in enumerate(answer.claims):
            if claim.supported and n not in course.refuted:
                self._claim(state, n, claim, course, left)

    def _claim(self, state: AgentState, n: int, claim: Claim, course: Course, left: Left) -> None:
        evidence = evidence_of(state)
        cited = [evidence[name] for name in claim.evidence if name in evidence]
        case = Case(n, claim, cited, views_of(state), course, left)
        if claim.present:
            self._presence(case)
            self._crop(case)
        self._twin(case, case.shown(opening_of(state)))
        if not case.votes:
            return
        odds = self.trust.log_odds(case.votes)
        facts: dict[str, Any] = {"votes": case.votes, "log_odds": round(odds, 3)}
        if odds < 0:
            course.refuted[n] = "; ".join(case.why) or reason("witnesses", told=", ".join(case.votes))
            facts["refuted"] = {str(n): course.refuted[n]}
        course.step("verdict", facts, n)

    def _presence(self, case: Case) -> None:
        """The grounder, on the evidence alone; of two related things the one that is missing decides."""
        if self.grounder is None or not self.trust.asks("presence"):
            return
        for phrase, regions in asked_of(case.claim, case.cited):
            told = [self._grounded(case, phrase, region) for region in regions if case.left() > 0]
            found = [each for each in told if each is not None]
            if not found:
                continue
            best = max(found, key=lambda each: (WORST_FIRST.index(each.vote), each.score))
            if "presence" not in case.votes or case.votes["presence"] == "found":
                case.votes["presence"] = best.vote
            if best.vote != "found":
                numbers = {name: f"{value:.2f}" for name, value in best.numbers().items()}
                case.why.append(reason(f"presence_{best.vote}", phrase=phrase, **numbers))

    def _grounded(self, case: Case, phrase: str, region: Evidence) -> Found | None:
        """What the grounder says of one region; None where it cannot decide or failed."""
        assert self.grounder is not None
        if case.course.undecided:
            return None
        begin, told = time.perf_counter(), {"phrase": phrase, "region": region.id}
        image = self.store.get(region.image)
        try:
            view = self._close(region, case.views)
            [found] = self.grounder.ground(view, image, [phrase])
            boxes = [view.frame.to_source(each.box) for each in found.regions]
            overlap = overlap_with(region.source_box(image), boxes)
        except Exception as error:  # a grounder fails in its own ways; the others are heard all the same
            failed = f"the grounder failed with {type(error).__name__}"
            case.course.step("presence", {}, case.n, arguments=told, ok=False, error=failed)
            return None
        needed = self.trust.floor if self.trust.floor is not None else found.threshold
        facts = {"score": round(float(found.best_score), 4), "needed": needed, "overlap": overlap}
        facts["forward_passes"] = found.forward_passes
        facts |= {NO_NAME: True} if NO_NAME in found.detail else {}
        spent = time.perf_counter() - begin
        case.course.step("presence", facts, case.n, arguments=told, seconds=spent)
        if NO_NAME in found.detail:  # that it sees nothing by a name it was not taught is against no claim
            return None
        # a score that only ranks never decides: the next claims need not ask for one
        case.course.undecided = found.score_kind != "fixed_scale" or found.absent is None or needed is None
        if case.course.undecided or needed is None:
            return None
        return Found(float(found.best_score), needed, overlap, self.trust.overlap)

    def _close(self, region: Evidence, views: Mapping[str, View]) -> View:
        limits = ToolLimits(self.profile.max_side, self.profile.min_side, margin=MARGIN)
        ctx = ToolContext(self.store, views, {region.id: region}, limits=limits)
        return zoom(ctx, region=region.id).views[0]

    def _crop(self, case: Case) -> None:
        """The model, on the evidence alone: one region that does not show it is enough against it."""
        if self.look is None or not self.trust.asks("crop"):
            return
        for region in case.cited:
            question = crop_question(
                part_of(case.claim, region, case.cited), [region.label], self.profile.style
            )
            if question is None or case.left() <= 0:
                break
            try:
                view = self._close(region, case.views)
            except (ToolError, ValueError) as error:
                told = {"region": region.id}
                case.course.step("crop", {}, case.n, arguments=told, ok=False, error=str(error))
                continue
            said = self._asked("crop", case, question, [view], region=region.id)
            if said and case.votes.get("crop") != "no":
                case.votes["crop"] = said
        if case.votes.get("crop") == "no":
            case.why.append(reason("crop"))

    def _twin(self, case: Case, views: Sequence[View]) -> None:
        """The model, on the claim and on its opposite."""
        if self.look is None or not self.trust.asks("twin"):
            return
        labels = [each.label for each in case.cited]
        pair = twins(case.claim.text, case.claim.present, labels, self.profile.style)
        if pair is None or case.left() <= 0:
            return
        first = self._asked("claim", case, pair.claim, views)
        second = self._asked("twin", case, pair.twin, views) if case.left() > 0 else ""
        outcome = OUTCOMES.get((first, second))
        if outcome is not None:
            case.votes["twin"] = outcome
        if outcome == "both":
            case.why.append(reason("twin", twin=pair.opposite))
        elif outcome == "reversed":
            case.why.append(reason("denied"))

    def _asked(self, kind: str, case: Case, question: str, views: Sequence[View], **told: Any) -> str:
        assert self.look is not None
        look = self.look.ask(question, views, case.left())
        case.course.step(
            kind,
            {"said": look.says, "answer": look.text[:200], "usage": look.usage},
            case.n,
            arguments={"question": question, **told},
            seconds=look.seconds,
            ok=look.error is None,
            error=look.error,
        )
        return look.says
