"""mis-ground's questions in words. The words lie in `prompts/evals/mis_ground/`; knows no pixels."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from foveate import prompts
from foveate.evals.tasks.labelled import LabelledVolume
from foveate.evals.tasks.mis_ground_items import THROUGH, Question
from foveate.evals.tasks.spatial import in_plane_sides, through_sides

_FOLDER = "evals/mis_ground"
_COLUMN = {"anatomical": 0, "colloquial": 1}


@cache
def words() -> dict[str, Any]:
    """The question templates."""
    return prompts.table(f"{_FOLDER}/questions.toml")


def question_text(volume: LabelledVolume, question: Question, bare: bool = False) -> str:
    """Everything that is asked, the way the answer is to be given included.

    `bare` leaves out what the picture is and how to answer: the question alone, as a user would type it.
    """
    item, said = question.item, words()
    places = said["two"]["place"] if len(item.slices) > 1 else ["{name}", "{name}"]
    a, b = (places[k].format(name=_named(volume, question, k)) for k in (0, 1))
    if question.swapped:
        a, b = b, a
    forms = said[item.kind]
    form = forms.get("bare", forms["ask"]) if bare else forms["ask"]
    asked = form.format(a=a, b=b, relation=_relation(volume, question))
    asked = asked[0].upper() + asked[1:]
    return asked if bare else " ".join([_context(volume, question), asked, said["answer"]])


def structure_name(label_name: str, terms: str) -> str:
    """What a label is called: "kidney_left" → "left kidney", "clavicula_right" → "right collarbone"."""
    parts = [part for part in label_name.split("_") if part not in ("left", "right")]
    side = next((part for part in label_name.split("_") if part in ("left", "right")), "")
    number = parts.pop() if len(parts) > 1 and re.fullmatch(r"[A-Z]?\d+", parts[-1]) else ""
    known = prompts.table(f"{_FOLDER}/terms.toml")["names"].get("_".join(parts))
    name = known[_COLUMN[terms]].format(n=number) if known else " ".join([*parts, number]).strip()
    return f"{side} {name}".strip()


def _context(volume: LabelledVolume, question: Question) -> str:
    said = words()
    context: str = said["context"][question.convention][question.item.plane].format(modality=volume.modality)
    if len(question.item.slices) > 1:
        context = said["two"]["context"].format(context=context)
    return f"{context} {said['no_picture']}" if question.control == "text" else context


def _named(volume: LabelledVolume, question: Question, which: int) -> str:
    marks = words()["marks"]
    label = (question.item.a, question.item.b)[which]
    template: str = marks[question.mark]
    return template.format(
        name=structure_name(volume.names[label], question.terms),
        color=marks["colors"][which],
        letter=marks["letters"][which],
    )


def _relation(volume: LabelledVolume, question: Question) -> str:
    item, said = question.item, words()
    if item.kind == "area":
        return str(said["area"]["words"][item.toward])
    if item.kind == "picture":
        return str(said["picture_words"][question.convention][item.axis][item.toward])
    sides = (
        through_sides(volume.image, item.plane)
        if item.axis == THROUGH
        else in_plane_sides(volume.image, item.plane, item.axis)
    )
    return str(said["toward"][question.terms][sides[item.toward]])
