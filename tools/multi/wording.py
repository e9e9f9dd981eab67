"""What the tools over several images and slices say, in words. Knows no box convention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from foveate import prompts
from foveate.tools.evidence import Evidence

Facts = dict[str, Any]
Words = Callable[[str, Facts, Sequence[str], Sequence[Evidence], Sequence[str]], str]


def _compare(
    style: str, facts: Facts, views: Sequence[str], evidence: Sequence[Evidence], boxes: Sequence[str]
) -> str:
    lines = [_aligned(style, facts)]
    for change in facts["changes"]:
        newer, *older = change["regions"]
        found = evidence[newer]
        told = {"id": found.id, "view": found.view, "box": boxes[newer], "direction": change["direction"]}
        size = f"{abs(change['mean']):.0f} {change['unit'] or ''}".strip()
        then = (
            prompts.line(style, "change_before", id=evidence[i].id, view=evidence[i].view, box=boxes[i])
            for i in older
        )
        strength = f"{change['strength']:.1f}"
        lines.append(
            prompts.line(style, "change", **told, size=size, strength=strength, before="".join(then))
        )
    return "\n".join(lines if facts["changes"] else [*lines, prompts.line(style, "change_none")])


def _match(
    style: str, facts: Facts, views: Sequence[str], evidence: Sequence[Evidence], boxes: Sequence[str]
) -> str:
    told = {"score": f"{facts['score']:.2f}", "threshold": facts["threshold"], "other": facts["other"]}
    lines = [_aligned(style, facts)]
    if evidence:
        found = {"id": evidence[0].id, "label": evidence[0].label, "box": boxes[0]}
        return "\n".join([*lines, prompts.line(style, "match", **told, **found)])
    return "\n".join([*lines, prompts.line(style, "match_none", **told)])


def _transfer(
    style: str, facts: Facts, views: Sequence[str], evidence: Sequence[Evidence], boxes: Sequence[str]
) -> str:
    told = {"id": evidence[0].id, "label": evidence[0].label, "box": boxes[0], "other": facts["other"]}
    spread = f"{facts['uncertainty']:.1f} {facts['unit']}"
    return "\n".join([_aligned(style, facts), prompts.line(style, "transfer", **told, uncertainty=spread)])


def _track(
    style: str, facts: Facts, views: Sequence[str], evidence: Sequence[Evidence], boxes: Sequence[str]
) -> str:
    found = facts["box3d"]
    size = found["size_mm"]
    extent = "" if size is None else prompts.line(style, "track_mm", x=size[0], y=size[1], z=size[2])
    open_ends = "reach" in facts["ended"]
    first = prompts.line(
        style,
        "track",
        name=views[0],
        first=found["first"],
        last=found["last"],
        start=facts["start"],
        extent=extent,
        limited=prompts.line(style, "track_limited") if open_ends else "",
    )
    return "\n".join([first, *_on_slices(style, evidence, boxes)])


def _montage(
    style: str, facts: Facts, views: Sequence[str], evidence: Sequence[Evidence], boxes: Sequence[str]
) -> str:
    slices = ", ".join(map(str, facts["slices"]))
    return prompts.line(style, "montage", name=views[0], parent=facts["parent"], slices=slices)


def _find_slices(
    style: str, facts: Facts, views: Sequence[str], evidence: Sequence[Evidence], boxes: Sequence[str]
) -> str:
    asked = {"phrase": facts["phrase"], "count": len(facts["scores"]), "last": facts["last"]}
    if not facts["slices"]:
        return prompts.line(style, "slices_absent" if facts["absent"] else "slices_none", **asked)
    key = "slices_relative" if facts["score_kind"] == "relative" else "slices_found"
    return "\n".join(
        [
            prompts.line(style, key, **asked),
            _montage(style, facts, views, evidence, boxes),
            *_on_slices(style, evidence, boxes),
        ]
    )


def _on_slices(style: str, evidence: Sequence[Evidence], boxes: Sequence[str]) -> list[str]:
    return [
        prompts.line(
            style, "on_slice", id=e.id, label=e.label, box=box, slice=e.slice, score=f"{e.score or 0.0:.2f}"
        )
        for e, box in zip(evidence, boxes, strict=True)
    ]


def _aligned(style: str, facts: Facts) -> str:
    dx, dy = facts["shift"]
    known = facts["same_patient"] is not None
    return prompts.line(
        style,
        "aligned",
        view=facts["view"],
        other=facts["other"],
        dx=f"{dx:.1f}",
        dy=f"{dy:.1f}",
        unit=facts["unit"],
        degrees=f"{facts['degrees']:.1f}",
        agreement=f"{facts['agreement']:.2f}",
        patient="" if known else prompts.line(style, "patient_unknown"),
    )


WORDS: dict[str, Words] = {
    "compare": _compare,
    "match": _match,
    "transfer": _transfer,
    "track": _track,
    "montage": _montage,
    "find_slices": _find_slices,
}
