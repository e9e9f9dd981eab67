"""Each side, size, count and relation that a claim states, verified against the boxes that it cites.

Sides come from the image's orientation, sizes from `measure`, relations from `relate`; nothing is asked of a
model. What the file does not tell (a picture without orientation) is left unjudged. Knows no agent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

from foveate import prompts
from foveate.tools.checks.said import TURNED, Relation, Said, Side, Size, read_claim
from foveate.tools.evidence import Evidence
from foveate.tools.find import MIDDLE
from foveate.tools.imaging.image import SourceImage
from foveate.tools.measure import size_of
from foveate.tools.relate import SAME_SIZE, relation

SLACK = 0.10
"""Share of the measured length that a stated one may be off, besides a pixel and its own last digit."""
TRUNK_MM = 250.0
"""An image narrower than this may show one limb, where a structure's own side says nothing of its place."""
_PATIENT_WORDS = ("anterior", "posterior", "superior", "inferior")
SPOKEN = {"larger": "larger than", "smaller": "smaller than"} | {
    word: f"{word} to" for word in _PATIENT_WORDS
}
Images = Callable[[str], SourceImage]


@dataclass(frozen=True)
class Verdict:
    """One thing that a claim says: `holds` is None where the geometry cannot tell. `reason` says why not."""

    what: Literal["side", "size", "count", "relation"]
    said: str
    holds: bool | None
    reason: str = ""


def verify(text: str, cited: Sequence[Evidence], image_of: Images) -> list[Verdict]:
    """The verdicts on everything spatial that the claim says, in the order sides, sizes, count, relations."""
    said = read_claim(text)
    if not cited:
        return []
    verdicts = [_side(side, said, cited, image_of) for side in said.sides]
    verdicts += [_size(size, cited, image_of) for size in said.sizes]
    verdicts += _count(said, cited)
    verdicts += [_relation(each, cited, image_of) for each in said.relations]
    return verdicts


def reason(key: str, **fields: object) -> str:
    """A line of prompts/checks/reasons.toml."""
    line: str = prompts.table("checks/reasons.toml")[key]
    return line.format(**fields)


def _side(side: Side, said: Said, cited: Sequence[Evidence], image_of: Images) -> Verdict:
    # with a relation in the claim, "the left kidney" may be either of two regions: any that fits will do
    found = [_place(side, each, image_of(each.image)) for each in cited]
    told = [place for place in found if place is not None]
    if not told:
        return Verdict("side", side.side, None)
    several = bool(said.relations) or side.terms == "anatomy"
    holds = (any if several else all)(place in (side.side, "middle") for place in told)
    if side.negated:
        denied = all(place == side.side for place in told)
        return Verdict("side", side.side, not denied, reason("not_on_side", said=side.side) if denied else "")
    if holds:
        return Verdict("side", side.side, True)
    key = {"image": "side_image", "patient": "side_patient", "anatomy": "side_named"}[side.terms]
    wrong = next(place for place in told if place not in (side.side, "middle"))
    return Verdict("side", side.side, False, reason(key, said=side.side, found=wrong))


def _place(side: Side, evidence: Evidence, image: SourceImage) -> str | None:
    """Where the region lies in the side's own terms: a side, "middle", or None where that is not known."""
    width, height = image.plane_size(evidence.plane)
    x0, y0, x1, y1 = evidence.box
    if side.side in ("top", "bottom"):
        off = (y0 + y1) / 2 / height - 0.5
        return None if side.terms != "image" else _half(off, "top", "bottom")
    off = (x0 + x1) / 2 / width - 0.5
    if side.terms == "image":
        return _half(off, "left", "right")
    sides = image.sides(evidence.plane)
    if sides is None or sides[0] not in ("L", "R"):
        return None
    if side.terms == "anatomy":
        if not _whole_trunk(image, evidence.plane):
            return None
        if x0 < width / 2 < x1:
            return "middle"
    low, high = ("left", "right") if sides[0] == "L" else ("right", "left")
    return _half(off, low, high)


def _half(off: float, low: str, high: str) -> str:
    if abs(off) <= MIDDLE:
        return "middle"
    return low if off < 0 else high


def _whole_trunk(image: SourceImage, plane: str) -> bool:
    spacing = image.plane_spacing(plane)
    return spacing is not None and image.plane_size(plane)[0] * spacing[1] >= TRUNK_MM


def _size(size: Size, cited: Sequence[Evidence], image_of: Images) -> Verdict:
    if size.kind == "foreign":
        return Verdict("size", size.text, False, reason("no_tool", said=size.text))
    measured = [m for each in cited if (m := _measured(size.unit, each, image_of(each.image))) is not None]
    if not measured:
        return Verdict("size", size.text, False, reason("no_spacing", said=size.text))
    if any(_fits(size, *each) for each in measured):
        return Verdict("size", size.text, True)
    width, height, _ = measured[0]
    found = f"{width:.1f} x {height:.1f} {size.unit}"
    return Verdict("size", size.text, False, reason("size", said=size.text, found=found))


def _measured(unit: str, evidence: Evidence, image: SourceImage) -> tuple[float, float, float] | None:
    """(width, height, the longer side of a pixel) in the unit; None where the image cannot tell."""
    x0, y0, x1, y1 = evidence.box
    if unit == "pixels":
        return x1 - x0, y1 - y0, 1.0
    spacing, size = image.plane_spacing(evidence.plane), size_of(evidence, image)
    return None if spacing is None else (size.width, size.height, max(spacing))


def _fits(size: Size, width: float, height: float, pixel: float) -> bool:
    """Whether a stated size agrees with a box: two numbers with both sides, one with any reading of it."""
    if size.kind == "area":
        off = size.slack + 2 * SLACK * width * height + pixel * (width + height)
        return abs(size.numbers[0] - width * height) <= off
    longest, diagonal = max(width, height), (width**2 + height**2) ** 0.5
    if size.bound in ("above", "below", "range"):
        low, high = min(size.numbers), max(size.numbers)
        off = size.slack + SLACK * longest + pixel
        above, below = longest + off >= low, min(width, height) - off <= high
        return {"above": above, "below": longest - off <= high, "range": above and below}[size.bound]
    if len(size.numbers) > 1:
        # of three lengths one is across the slices, and which one is not said
        pairs = permutations(size.numbers, 2)
        return any(_near(one, width, size, pixel) and _near(two, height, size, pixel) for one, two in pairs)
    stated = size.numbers[0]
    if size.kind in ("width", "height"):
        return _near(stated, width if size.kind == "width" else height, size, pixel)
    sides = _near(stated, width, size, pixel) or _near(stated, height, size, pixel)
    off = size.slack + pixel
    return sides or longest - off <= stated <= diagonal + off


def _near(stated: float, found: float, size: Size, pixel: float) -> bool:
    return abs(stated - found) <= size.slack + SLACK * found + pixel


def _count(said: Said, cited: Sequence[Evidence]) -> Iterator[Verdict]:
    """Only of what the evidence is called: "two nodules" for regions with the label "nodule"."""
    if said.count is None:
        return
    number, things = said.count
    words = things.split()
    named = [e for e in cited if any(_singular(word) in _stems(e.label) for word in words)]
    if not named:
        return
    told, holds = f"{number} {things}", number == len(named)
    line = reason("count", said=told, found=len(named), regions="region" if len(named) == 1 else "regions")
    yield Verdict("count", told, holds, "" if holds else line)


def _stems(label: str) -> set[str]:
    return {_singular(word) for word in label.lower().split()}


def _singular(word: str) -> str:
    return word[:-3] + "y" if word.endswith("ies") else word.removesuffix("s")


def _relation(said: Relation, cited: Sequence[Evidence], image_of: Images) -> Verdict:
    pair = pair_of(said, cited)
    if pair is None:
        return Verdict("relation", said.word, False, reason("relation_alone", said=said.word))
    first, second = pair
    if (first.image, first.plane) != (second.image, second.plane):
        return Verdict("relation", said.word, None)
    found = _found(said.word, first, second, image_of(first.image))
    if found is None:
        return Verdict("relation", said.word, None)
    spoken = SPOKEN.get(said.word, said.word)
    names = {"a": first.label or first.id, "b": second.label or second.id, "said": spoken}
    if said.negated:
        wrong = found == said.word
        return Verdict("relation", said.word, not wrong, reason("denied_relation", **names) if wrong else "")
    holds = found == said.word
    return Verdict(
        "relation",
        said.word,
        holds,
        "" if holds else reason("relation", found=SPOKEN.get(found, found), **names),
    )


def pair_of(said: Relation, cited: Sequence[Evidence]) -> tuple[Evidence, Evidence] | None:
    """The regions on either side of the relation: by name in the words, else in the order cited."""
    groups = list(_by_label(cited).values())
    if len(groups) < 2:
        groups = [[each] for each in cited]
    if len(groups) < 2:
        return None
    before = [g for g in groups if _named(g[0], said.before)]
    after = [g for g in groups if _named(g[0], said.after) and g not in before]
    if len(groups) == 2:
        first = before[0] if len(before) == 1 else None
        second = after[0] if len(after) == 1 else None
        first = first or next(g for g in groups if g is not second)
        second = next(g for g in groups if g is not first)
        return _union(first), _union(second)
    if not before or not after:
        return None
    return _union(before[0]), _union(after[0])


def _by_label(cited: Sequence[Evidence]) -> dict[str, list[Evidence]]:
    groups: dict[str, list[Evidence]] = {}
    for each in cited:
        groups.setdefault(each.label.lower(), []).append(each)
    return groups


def _named(evidence: Evidence, words: str) -> bool:
    """Whether the words name the region, by its label or by its id."""
    if evidence.label and evidence.label.lower() in words:
        return True
    return bool(evidence.id) and re.search(rf"\b{re.escape(evidence.id.lower())}\b", words) is not None


def _union(group: Sequence[Evidence]) -> Evidence:
    """The box round regions of one name; those of other slices are left out."""
    first = group[0]
    same = [e for e in group if (e.image, e.plane, e.slice) == (first.image, first.plane, first.slice)]
    corners = list(zip(*(e.box for e in same), strict=True))
    box = (min(corners[0]), min(corners[1]), max(corners[2]), max(corners[3]))
    return first.model_copy(update={"box": box})


def _found(word: str, a: Evidence, b: Evidence, image: SourceImage) -> str | None:
    """What `relate` says along the axis of the word, in the words of `RELATIONS`; None: it cannot tell."""
    facts = relation(a, b, image)
    if word in ("left of", "right of"):
        return {"left": "left of", "right": "right of", "level": "level with"}[facts.horizontal]
    if word in ("above", "below"):
        return "level with" if facts.vertical == "level" else facts.vertical
    if word in ("larger", "smaller"):
        if 1 / SAME_SIZE < facts.ratio < SAME_SIZE:
            return "about as large as"
        return "larger" if facts.ratio > 1 else "smaller"
    return _patient_found(word, facts.patient, image.sides(a.plane))


def _patient_found(
    word: str, directions: Sequence[str], sides: tuple[str, str, str, str] | None
) -> str | None:
    letters = {"anterior": "A", "posterior": "P", "superior": "H", "inferior": "F"}
    if sides is None or letters[word] not in sides:
        return None
    pair = (word, TURNED[word])
    return next((each for each in directions if each in pair), "level with")
