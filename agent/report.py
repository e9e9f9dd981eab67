"""A grounded report: findings as sentences with boxes or none, made by the agent or from a report in words.

The shape is that of MAIRA-2 and RadFact (Bannur et al., 2024): a list of sentences, each with the boxes that
show it, or null. Knows the agent and the grounder protocol; prints nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from foveate import prompts
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.knowledge.grounding import ground_routed
from foveate.tools.knowledge.phrases import sentences

if TYPE_CHECKING:
    from foveate.agent.result import Result
    from foveate.agent.run import Agent
    from foveate.tools.grounding.protocol import Grounder
    from foveate.tools.imaging.image import SourceImage
    from foveate.tools.imaging.views import View


@dataclass(frozen=True)
class Finding:
    """One sentence. `evidence` is empty for a sentence without boxes; `present` False where it denies what it
    names; `supported` False where nothing bears it out. `phrases` are what was asked of the grounder."""

    text: str
    evidence: tuple[Evidence, ...] = ()
    present: bool = True
    supported: bool = False
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The findings in order. `result` is the agent's, None for a report that was given in words."""

    findings: tuple[Finding, ...]
    image: SourceImage
    seconds: float
    result: Result | None = None
    notice: str = field(default_factory=lambda: prompts.text("notice.txt"))

    def to_json(self) -> dict[str, Any]:
        """`findings` with boxes in source pixels, and `grounded` in RadFact's shape: boxes as shares (0 to 1)
        of the slice, null for a sentence without any."""
        told = [self._told(finding) for finding in self.findings]
        more = {} if self.result is None else self._of_result(self.result)
        return {
            "findings": told,
            "grounded": [self._grounded(finding) for finding in self.findings],
            "image": {"name": self.image.name, "about": self.image.describe()},
            **more,
            "seconds": round(self.seconds, 3),
            "notice": self.notice,
        }

    def _told(self, finding: Finding) -> dict[str, Any]:
        boxes = [e.model_dump(mode="json", exclude={"image", "seen_in"}) for e in finding.evidence]
        return {
            "sentence": finding.text,
            "present": finding.present,
            "supported": finding.supported,
            "phrases": list(finding.phrases),
            "boxes": boxes or None,
        }

    def _grounded(self, finding: Finding) -> dict[str, Any]:
        boxes = [_shares(each, self.image) for each in finding.evidence] if finding.present else []
        return {"text": finding.text, "boxes": boxes or None}

    def _of_result(self, result: Result) -> dict[str, Any]:
        told = result.to_json()
        kept = ("abstained", "reason", "steps", "model", "usage", "stopped_by", "failure", "checks")
        return {key: told[key] for key in kept if key in told}


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
        Finding(c.text, tuple(evidence[name] for name in c.evidence), c.present, c.supported)
        for c in answer.claims
    )
    return Report(found or (Finding(answer.text),), image, time.perf_counter() - begin, result)


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
        stated = [phrase for phrase in sentence.phrases if not phrase.negated]
        groundings = [found[phrase.text] for phrase in (stated or sentence.phrases)]
        boxes = [
            seen_at(r.box, view, image, label=g.phrase, tool="ground").model_copy(
                update={"score": round(r.score, 4), "score_kind": g.score_kind}
            )
            for g in groundings
            for r in (g.regions if stated else ())
        ]
        denied = bool(groundings) and not stated and all(g.absent is True for g in groundings)
        names, seen = tuple(phrase.text for phrase in sentence.phrases), _numbered(boxes, made)
        made.append(Finding(sentence.text, seen, bool(stated) or not names, bool(boxes) or denied, names))
    return Report(tuple(made), image, time.perf_counter() - begin)


def _numbered(boxes: Sequence[Evidence], earlier: Sequence[Finding]) -> tuple[Evidence, ...]:
    """With ids that no earlier finding's box has."""
    first = sum(len(finding.evidence) for finding in earlier) + 1
    return tuple(box.model_copy(update={"id": f"E{first + n}"}) for n, box in enumerate(boxes))


def _shares(evidence: Evidence, image: SourceImage) -> list[float]:
    width, height = image.plane_size(evidence.plane)
    return [round(v / side, 5) for v, side in zip(evidence.box, (width, height) * 2, strict=True)]
