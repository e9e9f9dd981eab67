"""A grounded report: findings as sentences with boxes or none, made by the agent or from a report in words.

The shape is that of MAIRA-2 and RadFact (Bannur et al., 2024): a list of sentences, each with the boxes that
show it, or null. Knows the agent and the grounder protocol; prints and draws nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from foveate import prompts
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.grounding.picture import NO_NAME
from foveate.tools.knowledge.grounding import ground_routed
from foveate.tools.knowledge.phrases import Sentence, sentences

if TYPE_CHECKING:
    from foveate.agent.answer import Claim
    from foveate.agent.result import Result
    from foveate.agent.run import Agent
    from foveate.tools.grounding.protocol import Grounder, Grounding
    from foveate.tools.imaging.image import SourceImage
    from foveate.tools.imaging.views import View


@dataclass(frozen=True)
class Finding:
    """One sentence. `evidence` is empty for a sentence without boxes; `present` False where it denies what it
    names; `supported` False where nothing bears it out, and `why` says so. `phrases` are what was asked of
    the grounder."""

    text: str
    evidence: tuple[Evidence, ...] = ()
    present: bool = True
    supported: bool = False
    phrases: tuple[str, ...] = ()
    why: str | None = None


@dataclass(frozen=True)
class Report:
    """The findings in order, and the views by name that their evidence was seen in. `result` is the agent's,
    None for a report that was given in words."""

    findings: tuple[Finding, ...]
    image: SourceImage
    views: Mapping[str, View]
    seconds: float
    result: Result | None = None
    notice: str = field(default_factory=lambda: prompts.text("notice.txt"))

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Of all findings, each once."""
        found = {each.id: each for finding in self.findings for each in finding.evidence}
        return tuple(found.values())

    def to_json(self) -> dict[str, Any]:
        """`findings` with boxes in source pixels, and `grounded` in RadFact's shape: boxes as shares (0 to 1)
        of the slice, null for a sentence without any."""
        more = {} if self.result is None else _of_result(self.result)
        return {
            "findings": [_told(finding) for finding in self.findings],
            "grounded": [self._grounded(finding) for finding in self.findings],
            "image": {"name": self.image.name, "about": self.image.describe()},
            **more,
            "seconds": round(self.seconds, 3),
            "notice": self.notice,
        }

    def _grounded(self, finding: Finding) -> dict[str, Any]:
        boxes = [_shares(each, self.image) for each in finding.evidence] if finding.present else []
        return {"text": finding.text, "boxes": boxes or None}


def report_of(agent: Agent, image: SourceImage, slice_index: int | None = None) -> Report:
    """The agent's own report of one slice (the middle one by default): each claim of its answer a sentence.

    An answer without claims is one sentence without boxes. Raises InputError as `ask` does.
    """
    begin = time.perf_counter()
    question = prompts.text(f"report/{agent.profile.style}.txt")
    result = agent.ask(image, question, start=[agent.overview(image, slice_index)])
    answer = result.answer
    evidence = {each.id: each for each in answer.evidence}
    found = tuple(
        Finding(
            _sentence(c), tuple(evidence[name] for name in c.evidence), c.present, c.supported, why=c.refuted
        )
        for c in answer.claims
    )
    whole = Finding(answer.text, why=_words("abstained" if answer.abstained else "no_claim"))
    return Report(found or (whole,), image, result.views, time.perf_counter() - begin, result)


def _sentence(claim: Claim) -> str:
    """The claim's own words; a mere name, as compact models give it, becomes a sentence."""
    if re.search(r"[.!?]$|\s(?:is|are|has|have|shows?|seen)\b", claim.text):
        return claim.text
    return _words("seen" if claim.present else "not_seen").format(name=claim.text)


def report_from(words: str, grounder: Grounder, view: View, image: SourceImage) -> Report:
    """A report in words, its sentences grounded on a view: report → phrases → boxes, as MRG asks.

    A denied phrase is grounded too: where a grounder with a fixed scale finds it after all, the sentence is
    not supported. Raises ValueError for a text without a sentence.
    """
    begin = time.perf_counter()
    read = sentences(words)
    asked = list(dict.fromkeys(phrase.text for sentence in read for phrase in sentence.phrases))
    found = dict(zip(asked, ground_routed(grounder, view, image, asked), strict=True)) if asked else {}
    made: list[Finding] = []
    for sentence in read:
        first = sum(len(finding.evidence) for finding in made) + 1
        made.append(_finding(sentence, found, first, view, image))
    return Report(tuple(made), image, {"V0": view}, time.perf_counter() - begin)


def _finding(
    sentence: Sentence, found: Mapping[str, Grounding], first: int, view: View, image: SourceImage
) -> Finding:
    """The sentence with the boxes of what it states, named from E`first` on; a denial has none."""
    names = tuple(phrase.text for phrase in sentence.phrases)
    stated = [phrase.text for phrase in sentence.phrases if not phrase.negated]
    groundings = [found[name] for name in stated or names]
    boxes = tuple(
        seen_at(region.box, view, image, label=grounding.phrase, tool="ground", view_name="V0").model_copy(
            update={
                "id": f"E{first + number}",
                "score": round(region.score, 4),
                "score_kind": grounding.score_kind,
            }
        )
        for number, (grounding, region) in enumerate(
            (grounding, region) for grounding in groundings if stated for region in grounding.regions
        )
    )
    present = bool(stated) or not names
    why = _unsupported(groundings, denied=not present, boxed=bool(boxes))
    return Finding(sentence.text, boxes, present, why is None, names, why)


def _unsupported(groundings: Sequence[Grounding], *, denied: bool, boxed: bool) -> str | None:
    """Why nothing bears the sentence out, or None where something does."""
    if not groundings:
        return _words("nothing_to_ground")
    if denied and any(NO_NAME in each.detail for each in groundings):
        return _words("name_unknown")
    if boxed or (denied and all(each.absent is True for each in groundings)):
        return None
    said = [str(each.detail["reason"]) for each in groundings if "reason" in each.detail]
    if said:
        return said[0]
    if not denied:
        return _words("not_found")
    seen = any(each.regions and each.absent is not None for each in groundings)
    return _words("found_though_denied" if seen else "absence_unknown")


def _words(name: str) -> str:
    words: str = prompts.table("report/words.toml")[name]
    return words


def _told(finding: Finding) -> dict[str, Any]:
    boxes = [e.model_dump(mode="json", exclude={"image", "seen_in"}) for e in finding.evidence]
    return {
        "sentence": finding.text,
        "present": finding.present,
        "supported": finding.supported,
        "why": finding.why,
        "phrases": list(finding.phrases),
        "boxes": boxes or None,
    }


def _of_result(result: Result) -> dict[str, Any]:
    told = result.to_json()
    kept = ("abstained", "reason", "steps", "model", "usage", "stopped_by", "failure", "checks")
    return {key: told[key] for key in kept if key in told}


def _shares(evidence: Evidence, image: SourceImage) -> list[float]:
    width, height = image.plane_size(evidence.plane)
    return [round(v / side, 5) for v, side in zip(evidence.box, (width, height) * 2, strict=True)]
