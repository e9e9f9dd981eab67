"""What a tool's result is called in words, from its facts and the line templates of a prompt style.

Knows no box convention: boxes arrive as text, already written the way the reader of the words writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from foveate import prompts
from foveate.tools.context import ToolArtifact
from foveate.tools.evidence import Evidence
from foveate.tools.grounding.picture import NO_NAME
from foveate.tools.multi import wording as multi

Facts = dict[str, Any]


def observation(
    style: str,
    artifact: ToolArtifact,
    view_names: Sequence[str],
    evidence: Sequence[Evidence],
    boxes: Sequence[str],
) -> str:
    """The text of a result whose views and evidence have been named; `boxes` has one text per evidence."""
    facts = dict(artifact.facts)
    tool = facts["tool"]
    if "told" in facts:
        return _told(style, str(facts["told"]))
    if tool in multi.WORDS:
        return multi.WORDS[tool](style, facts, view_names, evidence, boxes)
    if tool == "ground":
        return _ground(style, facts, evidence, boxes)
    if tool == "measure":
        return _measure(style, facts, evidence)
    if tool == "relate":
        return _relate(style, facts)
    if tool == "refine":
        return _refine(style, facts, evidence, boxes)
    return _view(style, facts, view_names[0])


def error(style: str, reason: str) -> str:
    return prompts.line(style, "error", reason=reason.rstrip("."))


def _told(style: str, told: str) -> str:
    """The words of a tool from elsewhere, fenced: they may hold anything, and an end of the fence as well."""
    return prompts.line(style, "told", told=told.replace(">>>", "> > >"))


def _nothing(facts: Facts) -> str:
    """The line for a phrase without a region."""
    if facts["absent"]:
        return "absent"
    if facts.get(NO_NAME):
        return NO_NAME
    return "cannot_decide" if facts["score_kind"] == "relative" else "no_region"


def _ground(style: str, facts: Facts, evidence: Sequence[Evidence], boxes: Sequence[str]) -> str:
    best, phrase = f"{facts['best_score']:.2f}", facts["phrase"]
    if not evidence:
        return prompts.line(style, _nothing(facts), phrase=phrase, score=best, threshold=facts["threshold"])
    key = "region_relative" if facts["score_kind"] == "relative" else "region"
    lines = (
        prompts.line(
            style,
            key,
            id=e.id,
            label=e.label,
            box=box,
            score=f"{e.score or 0.0:.2f}",
            place=_place(style, place),
        )
        for e, box, place in zip(evidence, boxes, facts["places"], strict=True)
    )
    return "\n".join(lines)


def _place(style: str, place: dict[str, str]) -> str:
    return prompts.line(style, "place_both" if "patient" in place else "place_image", **place)


def _refine(style: str, facts: Facts, evidence: Sequence[Evidence], boxes: Sequence[str]) -> str:
    told = {key: facts[key] for key in ("answer", "answered", "samples")}
    shares = {key: f"{facts[key]:.2f}" for key in ("consensus", "spread")}
    others = "; ".join(f"{group['answer']} ({group['count']})" for group in facts["groups"][1:])
    lines = [prompts.line(style, "refine", **told, **shares)]
    if others:
        lines.append(prompts.line(style, "refine_others", others=others))
    for found, box in zip(evidence, boxes, strict=True):
        share = f"{found.score or 0.0:.2f}"
        lines.append(prompts.line(style, "refine_box", id=found.id, label=found.label, box=box, share=share))
    return "\n".join(lines)


def _measure(style: str, facts: Facts, evidence: Sequence[Evidence]) -> str:
    name = evidence[0].id if evidence else facts["id"]
    told = {key: f"{facts[key]:.1f}" for key in ("width", "height", "longest", "area")}
    return prompts.line(style, "measure_mm" if facts["unit"] == "mm" else "measure_px", id=name, **told)


_IMAGE_WORDS = {"left": "left of", "right": "right of", "above": "above", "below": "below"}
_OVERLAP_WORDS = {"inside": "inside", "contains": "contains", "overlaps": "overlaps"}


def _relate(style: str, facts: Facts) -> str:
    a, b = facts["a"], facts["b"]
    image = [_IMAGE_WORDS[word] for word in (facts["horizontal"], facts["vertical"]) if word in _IMAGE_WORDS]
    directions = ", ".join(facts["patient"])
    extra = _overlap(style, facts) + _slices(style, facts)
    return prompts.line(
        style,
        "relate" if image else "relate_level",
        a=a,
        b=b,
        image=" and ".join(image),
        patient=prompts.line(style, "patient", directions=directions) if directions else "",
        overlap=extra,
        size=_size(style, facts),
    )


def _overlap(style: str, facts: Facts) -> str:
    word = _OVERLAP_WORDS.get(facts["overlap"] or "")
    if word is None:
        return ""
    relation = "is inside" if word == "inside" else word
    return prompts.line(style, "overlap", a=facts["a"], b=facts["b"], relation=relation)


def _slices(style: str, facts: Facts) -> str:
    if not facts["slices"]:
        return ""
    count = abs(facts["slices"])
    return prompts.line(style, "slices", a=facts["a"], count=count, direction=facts["direction"])


def _size(style: str, facts: Facts) -> str:
    ratio = facts["ratio"]
    if facts["same_size"]:
        return prompts.line(style, "same_size")
    larger, factor = (facts["a"], ratio) if ratio > 1 else (facts["b"], 1 / ratio)
    return prompts.line(style, "larger", a=larger, ratio=f"{factor:.1f}")


def _view(style: str, facts: Facts, name: str) -> str:
    fields = dict(facts)
    if "factor" in facts:
        fields["factor"] = f"{facts['factor']:.1f}"
    if facts["tool"] == "window":
        fields["window"] = facts["preset"] or prompts.line(
            style, "window_numbers", center=f"{facts['center']:g}", width=f"{facts['width']:g}"
        )
    if facts["tool"] == "flip_rotate":
        fields["flipped"] = prompts.line(style, "flipped") if facts["flipped"] else ""
    around = facts.get("around")
    fields["around"] = prompts.line(style, "around", id=around) if around else ""
    return prompts.line(style, facts["tool"], name=name, **fields)
