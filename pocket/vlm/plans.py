"""The teacher's plans: one generator for each kind of question.

A plan yields tool calls, receives what the tools observed, and returns the arguments of the final `answer`.
It may ask the labels whether a found box is right (`Task.supports`); where the thing is, it learns from the
tools alone, but for `direct_plan`, which has none. Knows nothing of chat models.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from foveate.pocket.vlm.answers import Answer, answer_text, answered, claim, declined
from foveate.pocket.vlm.observations import Found, Turn

Call = tuple[str, dict[str, Any]]
Plan = Generator[list[Call], Turn, Answer]


@dataclass
class Task:
    """One question with what the teacher knows. `supports(box in view V0, phrase)` asks the labels."""

    kind: str
    question: str
    a: str = ""
    b: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    supports: Callable[[tuple[float, ...], str], bool] = lambda box, phrase: True
    last: Found | None = None


def _ground(task: Task, *phrases: str) -> list[Call]:
    # a follow-up comes after closer looks: it must go back to the whole slice
    view = {"view": "V0"} if task.kind.startswith("again") else {}
    return [("ground", {"phrase": phrase, **view}) for phrase in phrases]


def _seek(task: Task, *phrases: str) -> Generator[list[Call], Turn, list[list[Found]] | None]:
    """Grounds the phrases in one step; a failed tool is tried once more. None: the tool stays broken."""
    turn = yield _ground(task, *phrases)
    for i, phrase in enumerate(phrases):
        if turn.failed(i):
            again = yield _ground(task, phrase)
            if again.failed():
                return None
            turn.texts[i] = again.texts[0]
    found = [turn.regions(i) for i in range(len(phrases))]
    if found and found[0]:
        task.last = found[0][0]
    return found


def _absent(task: Task) -> Answer:
    text = answer_text("absent", a=task.a)
    if task.kind in ("present", "lesion", "overview"):
        return answered(text, [claim(answer_text("absent_claim", a=task.a), present=False)], "0.9")
    return declined(text, "not_visible")


def _unconfirmed(task: Task, found: Found) -> Answer:
    return declined(answer_text("unconfirmed", a=task.a, e=found.id), "cannot_tell", 0.6)


def _broken(task: Task) -> Answer:
    return declined(answer_text("decline"), "cannot_tell", 0.5)


def _where(task: Task) -> Plan:
    groups = yield from _seek(task, task.a)
    if groups is None:
        return _broken(task)
    if not groups[0]:
        return _absent(task)
    found = groups[0][0]
    yield [("zoom", {"region": found.id})]
    if not task.supports(found.box, task.a):
        return _unconfirmed(task, found)
    key = "yes" if task.kind == "present" else "found"
    ids = [each.id for each in groups[0]]
    text = answer_text(key, a=task.a, e=" ".join(ids), side=found.place)
    return answered(text, [claim(answer_text("found_claim", a=task.a), *ids)], found.score)


def _side(task: Task) -> Plan:
    groups = yield from _seek(task, task.a)
    if groups is None:
        return _broken(task)
    if not groups[0]:
        return _absent(task)
    found = groups[0][0]
    text = answer_text("side", a=task.a, e=found.id, side=found.place)
    return answered(
        text, [claim(answer_text("side_claim", a=task.a, side=found.place), found.id)], found.score
    )


def _size(task: Task) -> Plan:
    groups = yield from _seek(task, task.a)
    if groups is None:
        return _broken(task)
    if not groups[0]:
        return _absent(task)
    found = groups[0][0]
    turn = yield [("zoom", {"region": found.id}), ("measure", {"region": found.id})]
    if not task.supports(found.box, task.a):
        return _unconfirmed(task, found)
    size = turn.size(1)
    text = answer_text("size", a=task.a, e=found.id, size=size)
    return answered(text, [claim(answer_text("size_claim", a=task.a, size=size), found.id)], found.score)


def _lesion(task: Task) -> Plan:
    groups = yield from _seek(task, task.a)
    if groups is None:
        return _broken(task)
    if not groups[0]:
        return _absent(task)
    found = groups[0][0]
    turn = yield [("zoom", {"region": found.id}), ("measure", {"region": found.id})]
    if not task.supports(found.box, task.a):
        return _unconfirmed(task, found)
    size = turn.size(1)
    claims = [
        claim(answer_text("lesion_claim", a=task.a), found.id),
        claim(answer_text("size_claim", a=task.a, size=size), found.id),
    ]
    return answered(
        answer_text("lesion", a=task.a, e=found.id, side=found.place, size=size), claims, found.score
    )


RELATIONS = {
    "left_of": "left of",
    "right_of": "right of",
    "above": "above",
    "below": "below",
    "larger": "larger than",
}


def _relation(task: Task) -> Plan:
    groups = yield from _seek(task, task.a, task.b)
    if groups is None:
        return _broken(task)
    for group, phrase in zip(groups, (task.a, task.b), strict=True):
        if not group:
            return declined(answer_text("missing", a=phrase), "not_visible")
    first, second = groups[0][0], groups[1][0]
    turn = yield [("relate", {"a": first.id, "b": second.id})]
    return _relation_answer(task, first, second, turn)


def _relation_answer(task: Task, first: Found, second: Found, turn: Turn) -> Answer:
    if turn.failed():
        return _broken(task)
    relation = RELATIONS["larger" if task.kind == "again_larger" else task.kind]
    head, _, tail = turn.texts[0].partition(" in the image")
    if relation == "larger than":
        holds = f"{first.id} is larger" in tail
        right = f"{second.id} is larger" in tail if _asks_the_reverse(task) else holds
    else:
        right = holds = re.search(rf"\b{relation.split()[0]}\b", head) is not None
    said = relation if holds else f"not {relation}"
    yes = "Yes" if right else "No"
    names = {"a": task.a, "b": task.b, "relation": said}
    text = answer_text("relation", yes=yes, e=first.id, f=second.id, **names)
    score = min(first.score, second.score, key=float)
    return answered(text, [claim(answer_text("relation_claim", **names), first.id, second.id)], score)


def _asks_the_reverse(task: Task) -> bool:
    """Whether yes would mean that the second thing is the larger one."""
    asked = task.question.lower()
    return "smaller" in asked or asked.startswith(f"is the {task.b} larger".lower())


def _window(task: Task) -> Plan:
    yield [("window", {"preset": task.extra["w"]})]
    return (yield from _where(task))


def _slice(task: Task) -> Plan:
    turn = yield [("slice", {"index": task.extra["n"]})]
    if turn.failed():
        return declined(answer_text("decline"), "cannot_tell")
    return (yield from _where(task))


def _overview(task: Task) -> Plan:
    phrases = task.extra["list"]
    if not phrases:  # a step without a call would be no reply at all
        return declined(answer_text("overview_none"), "cannot_tell")
    groups = yield from _seek(task, *phrases)
    if groups is None:
        return _broken(task)
    seen = [(phrase, group[0]) for phrase, group in zip(phrases, groups, strict=True) if group]
    if not seen:
        return declined(answer_text("overview_none"), "cannot_tell")
    text = answer_text("overview", list=", ".join(f"{phrase} ({found.id})" for phrase, found in seen))
    claims = [claim(answer_text("found_claim", a=phrase), found.id) for phrase, found in seen]
    return answered(text, claims, min((found.score for _, found in seen), key=float))


def _what(task: Task) -> Plan:
    yield [("zoom", {"region": "E1"})]
    if not task.a:
        return declined(answer_text("what_unknown", e="E1"), "cannot_tell")
    return answered(
        answer_text("what", e="E1", a=task.a),
        [claim(answer_text("what_claim", e="E1", a=task.a), "E1")],
        "0.8",
    )


def _decline(task: Task) -> Plan:
    return declined(answer_text("decline"), "cannot_tell")
    yield []


def _again_size(task: Task) -> Plan:
    assert task.last is not None
    turn = yield [("measure", {"region": task.last.id})]
    text = answer_text("size", a=task.last.label, e=task.last.id, size=turn.size())
    size_claim = answer_text("size_claim", a=task.last.label, size=turn.size())
    return answered(text, [claim(size_claim, task.last.id)], task.last.score)


def _again_side(task: Task) -> Plan:
    assert task.last is not None
    label, place = task.last.label, task.last.place
    text = answer_text("side", a=label, e=task.last.id, side=place)
    return answered(
        text, [claim(answer_text("side_claim", a=label, side=place), task.last.id)], task.last.score
    )
    yield []


def _again_zoom(task: Task) -> Plan:
    assert task.last is not None
    yield [("zoom", {"region": task.last.id})]
    text = answer_text("zoomed", a=task.last.label, e=task.last.id)
    return answered(
        text, [claim(answer_text("found_claim", a=task.last.label), task.last.id)], task.last.score
    )


def _again_larger(task: Task) -> Plan:
    assert task.last is not None
    first = task.last
    groups = yield from _seek(task, task.b)
    if groups is None:
        return _broken(task)
    if not groups[0]:
        return declined(answer_text("missing", a=task.b), "not_visible")
    turn = yield [("relate", {"a": first.id, "b": groups[0][0].id})]
    task.a = first.label
    return _relation_answer(task, first, groups[0][0], turn)


def direct_plan(task: Task) -> Plan:
    """Without tools: the labels themselves say where (boxes in the pixels of V0)."""
    found: list[dict[str, Any]] = task.extra["direct"]
    if task.extra["missing"]:
        return declined(answer_text("missing", a=task.extra["missing"]), "not_visible")
    if not found:
        return _absent(task) if task.a else declined(answer_text("decline"), "cannot_tell")
    return {"text": task.extra["text"], "claims": found, "confidence": 0.7}
    yield []


PLANS: dict[str, Callable[[Task], Plan]] = {
    "where": _where, "present": _where, "again_where": _where, "side": _side, "size": _size,
    "lesion": _lesion, "larger": _relation, "left_of": _relation, "right_of": _relation,
    "above": _relation, "below": _relation,
    "window": _window, "slice": _slice, "overview": _overview, "what": _what, "decline": _decline,
    "again_size": _again_size, "again_zoom": _again_zoom, "again_side": _again_side,
    "again_larger": _again_larger,
}  # fmt: skip
