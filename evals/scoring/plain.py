"""Reads boxes in the plain reply of a model that was asked without the agent. Sees no ground truth.

The family's profile declares form, scale and order; nothing is tried beyond it and nothing is rescaled. One
illegal box makes the whole reply unreadable: a reply is not mended by leaving out what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from foveate.agent.models.boxtext import PAIRS, QWEN2_TOKENS, BoxText, BoxTextError, TextBox
from foveate.agent.models.conventions import BoxConvention, BoxConventionError
from foveate.agent.models.families import PROFILES
from foveate.agent.models.profile import Profile
from foveate.agent.models.resize import ResizeRule
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Region
from foveate.evals.scoring.faults import Fault, refused_or, spoken, unreadable
from foveate.tools.imaging.frames import BoxError, Frame

_TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


@dataclass(frozen=True)
class Declared:
    """What the prompt told the model: how boxes are written, what they mean, and the words that mean "none".

    `absent` are whole replies (compared without case and final stop), such as "none"; `answer_tag` says that
    only what stands in one <answer> tag counts.
    """

    convention: BoxConvention
    form: BoxText
    resize: ResizeRule
    absent: tuple[str, ...] = ()
    cannot_tell: tuple[str, ...] = ()
    answer_tag: bool = False

    @classmethod
    def of(cls, profile: Profile, absent: Sequence[str] = (), cannot_tell: Sequence[str] = ()) -> Declared:
        """The declarations of a family of models."""
        return cls(profile.box, profile.box_text, profile.resize, tuple(absent), tuple(cannot_tell))


def read_plain_boxes(reply: str, declared: Declared, view: Frame, image: int = 0) -> Reading:
    """The boxes of a reply about one view, as regions in source pixels.

    `view` is the frame of the picture as it was sent, `image` the number of its image in the question. Never
    raises for a reply.
    """
    text = _counted(reply, declared)
    if isinstance(text, Reading):
        return text
    said = text.casefold().rstrip(".")
    if said in (word.casefold().rstrip(".") for word in declared.absent):
        return Reading("no_box", detail={"absent": True})
    if said in (word.casefold().rstrip(".") for word in declared.cannot_tell):
        return Reading("abstained")
    other = _other_form(text, declared.form, _MARKED)
    if other is not None:
        return other
    try:
        written = declared.form.parse(text)
    except BoxTextError as error:
        return unreadable("malformed_box", str(error))
    return _placed(written, declared, view, image) if written else _boxless(text, declared)


def _counted(reply: str, declared: Declared) -> str | Reading:
    """The part of the reply that counts."""
    text = spoken(reply)
    if isinstance(text, Reading) or not declared.answer_tag:
        return text
    inside = _TAG.findall(text)
    if len(inside) > 1:
        return unreadable("ambiguous", f"{len(inside)} <answer> tags")
    if not inside:
        return refused_or(text, "cut_off" if "<answer>" in text else "unparseable", "no <answer> tag")
    return inside[0].strip() or unreadable("empty")


def _placed(written: Sequence[TextBox], declared: Declared, view: Frame, image: int) -> Reading:
    """Written boxes -> regions of the source, each distinct one once; the first fault decides."""
    placed = [_region(box, declared, view, image) for box in written]
    for one in placed:
        if isinstance(one, Reading):
            return one
    return Reading("read", regions=tuple(dict.fromkeys(r for r in placed if isinstance(r, Region))))


def _region(box: TextBox, declared: Declared, view: Frame, image: int) -> Region | Reading:
    """One box in source pixels, or why it is illegal: numbers off the scale are told from an empty box."""
    convention = declared.convention
    try:
        mapped = convention.to_view(box.numbers, view.width, view.height, declared.resize)
        source = view.to_source(view.box(*mapped))
    except BoxConventionError as error:
        return unreadable(_kind(box, convention), str(error))
    except BoxError as error:
        return unreadable("outside_image", str(error))
    # a plain model is shown the plane that the image opens in, which a region writes as None
    return Region(source.as_tuple(), image, source.frame.slice_index, label=box.label)


def _kind(box: TextBox, convention: BoxConvention) -> Fault:
    a, b, c, d = box.numbers
    if min(c - a, d - b) <= 0:
        return "degenerate_box"
    return "outside_image" if convention.scale.startswith("absolute") else "off_scale"


def _boxless(text: str, declared: Declared) -> Reading:
    """A reply without a box in the declared form."""
    reading = _other_form(text, declared.form, _FORMS) or refused_or(text, "unparseable")
    named = reading.outcome == "refused" or reading.detail["fault"] == "other_form"
    return reading if named else Reading("no_box", detail={"absent": False})


def _other_form(text: str, declared: BoxText, forms: Sequence[BoxText]) -> Reading | None:
    """Boxes in the form of another family are named, never used: their numbers mean something else."""
    for form in forms:
        if form is not declared and _ALSO.get(declared.name) != form.name and _holds(form, text):
            return unreadable("other_form", f"boxes are written in the form of {form.name}")
    return None


_ALSO = {PAIRS.name: QWEN2_TOKENS.name}
"""Families that write bare pairs were taught them with the marks of Qwen2-VL, which a server may strip."""


def _holds(form: BoxText, text: str) -> bool:
    try:
        return bool(form.parse(text))
    except BoxTextError:
        return False


_FORMS = tuple({profile.box_text.name: profile.box_text for profile in PROFILES}.values())
# Four bare numbers, and two bare pairs, also stand inside the marks of other families, so they prove no form.
_BARE = ("[1, 2, 3, 4]", "(1,2),(3,4)")
_MARKED = tuple(form for form in _FORMS if not any(_holds(form, bare) for bare in _BARE))
