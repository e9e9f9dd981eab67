"""Turns the answers of the pocket report into the tables and the text of REPORT.md.

Runs after every answer has been given. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from foveate.pocket.anatomy import LESION
from foveate.pocket.asked import box_of, labelled_in_c, weights_hash
from foveate.pocket.data import load_patient, nodule_slices
from foveate.pocket.scores import (
    Row,
    box_iou,
    interval,
    iou,
    macro_interval,
    prior_iou,
    right_relation,
    right_side,
    said_yes,
    whole_iou,
)  # fmt: skip

SMALL_SHARE = 0.02
"""A structure is small when its median box covers less than this share of the slice."""


def _rate(rows: list[Row], right: Callable[[Row], bool]) -> str:
    if not rows:
        return "| – | – | 0 "
    by_slice: dict[int, list[float]] = {}
    for row in rows:
        by_slice.setdefault(row["item"]["slice_index"], []).append(float(right(row)))
    values = [v for each in by_slice.values() for v in each]
    low, high = interval(by_slice, lambda v: float(np.mean(v)))
    return f"| {np.mean(values):.2f} | {low:.2f}–{high:.2f} | {len(values)} "


def _kind(rows: list[Row], kind: str, tools: bool = True) -> list[Row]:
    return [r for r in rows if r["item"]["kind"].startswith(kind) and r["item"]["tools"] == tools]


def small_structures() -> set[str]:
    """Names whose median box on C covers less than 2 % of the slice."""
    _, height, width = load_patient("C").hu.shape
    small = set()
    for name in labelled_in_c():
        boxes = [b for b in (box_of("C", i, name) for i in range(load_patient("C").hu.shape[0])) if b]
        share = np.median([(b[2] - b[0]) * (b[3] - b[1]) for b in boxes]) / (width * height)
        if share < SMALL_SHARE:
            small.add(name)
    return small


def report_text(rows: list[Row], every: int) -> str:
    """REPORT.md."""
    parts = [_head(rows, every), _summary(rows), _structures(rows), _nodule(rows), _limits()]
    return "\n\n".join(parts) + "\n"


def _head(rows: list[Row], every: int) -> str:
    ended = {s: sum(r["stopped_by"] == s for r in rows) for s in sorted({r["stopped_by"] for r in rows})}
    return (
        "# How good the pocket models are\n\n"
        f"Made by `python -m foveate.pocket.report --every {every}` with weights `{weights_hash()}`: "
        "every number comes from answers of `ask`, one axial slice a question.\n"
        f"Patient C (another scanner, never trained on): slices 0, {every}, {2 * every}, … of 20. "
        "Intervals are 95 % bootstrap intervals that draw whole slices; neighbouring slices are alike and "
        "there is one patient, so they say nothing about other patients.\n"
        f"{len(rows)} questions; runs ended by: {', '.join(f'{k} {v}' for k, v in ended.items())}."
    )


def _summary(rows: list[Row]) -> str:
    lines = ["## In one table", "", "| measure | value | 95 % | n |", "|---|---|---|---|"]
    where, bare = _kind(rows, "where"), _kind(rows, "where", False)
    for name, chosen, value in (
        ("name → box, macro mIoU, with tools", where, box_iou),
        ("name → box, macro mIoU, without tools", bare, box_iou),
        ("name → box, macro mIoU, location prior (A and B)", where, prior_iou),
        ("name → box, macro mIoU, whole image", where, whole_iou),
        ("name → box, macro acc@0.5, with tools", where, lambda r: float(box_iou(r) >= 0.5)),
        ("name → box, macro acc@0.5, without tools", bare, lambda r: float(box_iou(r) >= 0.5)),
    ):  # fmt: skip
        if chosen:
            mean, (low, high) = macro_interval(chosen, value)
            lines.append(f"| {name} | {mean:.2f} | {low:.2f}–{high:.2f} | {len(chosen)} |")
    lines += _small_lines(where, bare)
    for name, kind, right in (
        ("presence, yes or no (half present)", "present", lambda r: said_yes(r) == r["item"]["truth"]),
        ("  of those present", "present+", said_yes),
        ("  of those absent", "present-", lambda r: not said_yes(r)),
        ("absent structure asked for: abstained", "absent", lambda r: bool(r["abstained"])),
        ("present structure asked for: answered", "where", lambda r: not r["abstained"]),
        ("which side (image left or right)", "side", right_side),
        ("left of / above", "relation", right_relation),
    ):
        chosen = _kind(rows, kind.rstrip("+-"))
        if kind[-1] in "+-":
            chosen = [r for r in chosen if r["item"]["truth"] == (kind[-1] == "+")]
        lines.append(f"| {name} {_rate(chosen, right)}|")
    return "\n".join(lines)


def _small_lines(where: list[Row], bare: list[Row]) -> list[str]:
    small, lines = small_structures(), []
    for name, chosen in (("with tools", where), ("without tools", bare)):
        kept = [r for r in chosen if r["item"]["a"] in small]
        if kept:
            mean, (low, high) = macro_interval(kept, box_iou)
            lines.append(
                f"| small structures, macro mIoU, {name} | {mean:.2f} | {low:.2f}–{high:.2f} | {len(kept)} |"
            )
    return lines


def _structures(rows: list[Row]) -> str:
    small = small_structures()
    lines = [
        "## By structure (patient C)", "",
        "| structure | n | mIoU with tools | acc@0.5 | mIoU without | location prior |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name in labelled_in_c():
        told = [r for r in _kind(rows, "where") if r["item"]["a"] == name]
        bare = [r for r in _kind(rows, "where", False) if r["item"]["a"] == name]
        if not told:
            continue
        values = [box_iou(r) for r in told]
        prior = np.mean([prior_iou(r) for r in told])
        mark = " (small)" if name in small else ""
        half = np.mean([v >= 0.5 for v in values])
        without = np.mean([box_iou(r) for r in bare]) if bare else float("nan")
        by_tools = f"{len(values)} | {np.mean(values):.2f} | {half:.2f}"
        lines.append(f"| {name}{mark} | {by_tools} | {without:.2f} | {prior:.2f} |")
    return "\n".join(lines)


def _nodule(rows: list[Row]) -> str:
    found = {n.slice_index: n for n in nodule_slices()}
    middle = max(found, key=lambda i: len(found[i].boxes) * 1000 + _area(found[i].consensus))
    lines = [
        "## The real nodule (patient A, slices never trained on)", "",
        "Four radiologists drew it; the consensus is the mean of their boxes on a slice. Other slices of the "
        "same patient were trained on, with painted lesions. The middle slice (largest consensus) is "
        f"{middle}.", "",
        "| slice | readers | IoU with consensus | readers' own IoU with consensus | without tools | answer |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for index, nodule in sorted(found.items()):
        told = [r for r in _kind(rows, "nodule") if r["item"]["slice_index"] == index]
        bare = [r for r in _kind(rows, "nodule", False) if r["item"]["slice_index"] == index]
        if not told:
            continue
        readers = np.mean([iou(box, nodule.consensus) for box in nodule.boxes])
        scores = [
            max((iou(b["box"], nodule.consensus) for b in r["boxes"][:1]), default=0.0) for r in told + bare
        ]
        last = f"{scores[1]:.2f}" if len(scores) > 1 else "–"
        place = f"{index} (middle)" if index == middle else str(index)
        found_by = f"{len(nodule.boxes)} | {scores[0]:.2f} | {readers:.2f} | {last}"
        lines.append(f"| {place} | {found_by} | {told[0]['answer']} |")
    return "\n".join(lines)


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _limits() -> str:
    return (
        "## What this does not show\n\n"
        "- Three patients in all; C is one. The labels of anatomy are the output of TotalSegmentator, not of "
        "people; only the nodule was drawn by people.\n"
        "- C's slices cover 40 mm of upper abdomen: structures elsewhere in the body are not tested here.\n"
        f"- {LESION.capitalize()}s were learned from painted lesions; one real nodule is one case.\n"
        "- Without tools this model hardly writes a usable box: most answers name none, others do not parse. "
        "The gap to the answers with tools says more about this model than about tools in general.\n"
        "- Patient C was looked at twice while pocket-locator was made, so it is not wholly unseen. Its low "
        "specificity and the missed nodule at a 20-minute snapshot prompted two changes, both then made on "
        "A and B: another calibration of the presence score, and more painted lesions.\n"
        "- These models exercise the code. They are not for use on patients."
    )
