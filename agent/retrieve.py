"""A question asked with references, and the check that the image and not the references gave the answer.

Three answers at most: without references (a0), with them (a1), and, only where these two differ, with them on
a blanked image (a2). Where a1 and a2 agree the references spoke, and a0 stands; so it does where a1 or a2
failed. Knows the agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from foveate import prompts
from foveate.agent.budget import MAX_QUESTION
from foveate.agent.gate import STOP
from foveate.agent.opening import checked_question
from foveate.agent.result import Result
from foveate.agent.run import Agent
from foveate.tools.consensus import meaning
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View
from foveate.tools.retrieval.search import Hit, Library

Why = Literal["nothing_near", "not_answered", "same", "image", "references", "unchecked"]


@dataclass(frozen=True)
class Informed:
    """`result` is the answer that stands; `kept` says which: "plain" (a0) or "informed" (a1).

    `flipped`: whether the references changed the answer; `blind`: whether they gave the same answer without
    the image, None where that was not asked or not answered. `asked`: how many questions it took. `why`: what
    `note` says in words.
    """

    result: Result
    hits: tuple[Hit, ...]
    why: Why
    asked: int

    @property
    def kept(self) -> Literal["plain", "informed"]:
        return "informed" if self.why in ("same", "image") else "plain"

    @property
    def flipped(self) -> bool:
        return self.why in ("image", "references", "unchecked") and self.asked == 3

    @property
    def blind(self) -> bool | None:
        return {"image": False, "references": True}.get(self.why)

    @property
    def note(self) -> str:
        """For people: what was looked up, whether it was used, and why not."""
        words: dict[str, str] = prompts.table("retrieval/notes.toml")
        return words[self.why].format(found=", ".join(hit.document.id for hit in self.hits), asked=self.asked)

    def to_json(self) -> dict[str, Any]:
        """The result's JSON with what was looked up under `retrieval`."""
        contexts = [
            {"id": h.document.id, "score": round(h.score, 3), "text": h.document.text} for h in self.hits
        ]
        told = {"kept": self.kept, "flipped": self.flipped, "blind": self.blind, "asked": self.asked}
        more = {"contexts": contexts, **told, "why": self.why, "note": self.note}
        return {**self.result.to_json(), "retrieval": more}


def ask_informed(
    agent: Agent,
    images: Sequence[SourceImage],
    question: str,
    library: Library,
    start: Sequence[View] | None = None,
) -> Informed:
    """Asks with what the library has of the images' domain; just asks where it has nothing.

    Raises what `ask` raises.
    """
    words = checked_question(question)
    plain = agent.ask(images, words, start=start)
    if _unanswered(plain):
        return Informed(plain, (), "not_answered", 1)
    hits = tuple(library.search(words, domain(images)))
    told = with_contexts(words, hits)
    if told == words:
        return Informed(plain, (), "nothing_near", 1)
    informed = agent.ask(images, told, start=start)
    if _unanswered(informed):
        return Informed(plain, hits, "unchecked", 2)
    if _same(plain, informed):
        return Informed(informed, hits, "same", 2)
    blind = _asked_blindly(agent, images, told, start)
    if _unanswered(blind):
        return Informed(plain, hits, "unchecked", 3)
    return (
        Informed(plain, hits, "references", 3)
        if _same(informed, blind)
        else Informed(informed, hits, "image", 3)
    )


def domain(images: Sequence[SourceImage]) -> str | None:
    """The modality of the images, where they are of one; it picks what is looked up."""
    kinds = {image.modality for image in images}
    return kinds.pop() if len(kinds) == 1 else None


def _asked_blindly(
    agent: Agent, images: Sequence[SourceImage], told: str, start: Sequence[View] | None
) -> Result:
    blanks = {image.id: blank(image) for image in images}
    looks = None if start is None else [_on(view, blanks[view.image_id]) for view in start]
    return _blindfolded(agent).ask(list(blanks.values()), told, start=looks)


def _unanswered(result: Result) -> bool:
    """Whether the run says nothing of the question: the model failed, or the image was not asked about."""
    return result.stopped_by in ("model_error", STOP)


def with_contexts(question: str, hits: Sequence[Hit]) -> str:
    """The question with its references under it, as many as there is room for."""
    lines: list[str] = []
    for hit in hits:
        # what closes the fence must not come from inside it
        text = hit.document.text.replace(">>>", "> > >")
        line = prompts.fill("retrieval/line.txt", id=hit.document.id, text=text)
        told = prompts.fill("retrieval/context.txt", question=question, contexts="\n".join([*lines, line]))
        if len(told) > MAX_QUESTION:
            break
        lines.append(line)
    if not lines:
        return question
    return prompts.fill("retrieval/context.txt", question=question, contexts="\n".join(lines))


def _blindfolded(agent: Agent) -> Agent:
    """The same agent without the quality gate, which would not let a blank image be asked about."""
    other = copy(agent)
    other.opener = replace(agent.opener, gate=False)
    return other


def _on(view: View, image: SourceImage) -> View:
    told = view.model_dump(exclude={"id"})
    return View.model_validate({**told, "image_id": image.id})


def _same(one: Result, other: Result) -> bool:
    if one.answer.abstained or other.answer.abstained:
        return one.answer.abstained and other.answer.abstained
    return meaning(one.answer.text) == meaning(other.answer.text)


def blank(image: SourceImage) -> SourceImage:
    """The image with one intensity everywhere, the middle of its own."""
    return replace(image, pixels=np.full_like(image.pixels, np.median(image.pixels)))
