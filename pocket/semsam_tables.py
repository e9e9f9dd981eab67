"""Turns the answers of the semantic-sampling report into SEMSAM.md: paired differences with intervals.

Runs after every answer has been given. Knows no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import binomtest

from foveate.pocket.scores import interval

Row = dict[str, Any]
Value = Callable[[Row], float]


def result(row: Row, arm: str | None) -> dict[str, Any]:
    """The answer of an arm (None: ordinary decoding), which is the ordinary one where nothing changed."""
    told: dict[str, Any] | None = None if arm is None else row["arms"][arm]
    return told or row["ordinary"]


def right(row: Row, arm: str | None) -> float:
    return float(result(row, arm)["right"])


def gain(row: Row, arm: str) -> float:
    """What the arm adds to a question's result: −1, 0 or 1."""
    return right(row, arm) - right(row, None)


def mean_and_interval(rows: Sequence[Row], value: Value) -> tuple[float, float, float]:
    """(mean, low, high): a 95 % bootstrap interval that draws whole slices."""
    by_slice: dict[int, list[float]] = {}
    for row in rows:
        by_slice.setdefault(row["item"]["slice_index"], []).append(value(row))
    low, high = interval(by_slice, lambda values: float(np.mean(values)))
    return float(np.mean([value(row) for row in rows])), low, high


def mcnemar(rows: Sequence[Row], arm: str) -> tuple[int, int, float]:
    """(answers that became right, that became wrong, exact two-sided p)."""
    gained = sum(right(row, arm) > right(row, None) for row in rows)
    lost = sum(right(row, arm) < right(row, None) for row in rows)
    p = 1.0 if gained + lost == 0 else float(binomtest(gained, gained + lost, 0.5).pvalue)
    return gained, lost, p


def report_text(rows: Sequence[Row], arms: Mapping[str, str], weights: str, asked: int) -> str:
    """SEMSAM.md."""
    if not rows:
        return "# Semantic sampling on the pocket model\n\nNothing was asked yet.\n"
    parts = [_head(rows, weights, asked)]
    for tools, name in ((True, "With tools"), (False, "In one look, without tools")):
        chosen = [row for row in rows if row["item"]["tools"] is tools]
        if chosen:
            parts.append(f"## {name}\n\n" + _accuracy(chosen, arms) + "\n\n" + _kinds(chosen))
    parts += ["## What it did to the tokens\n\n" + _tokens(rows, arms), _changes(rows)]
    return "\n\n".join(parts) + "\n"


def _head(rows: Sequence[Row], weights: str, asked: int) -> str:
    checks = [row["checked"] for row in rows if row["checked"]]
    same = sum(check["same"] for check in checks)
    return (
        "# Semantic sampling on the pocket model\n\n"
        f"Made by `python -m foveate.pocket.semsam_report` with weights `{weights}`: {len(rows)} of {asked} "
        "spatial questions about patient C (left, right, above, below, larger, side; half of the answers are "
        "yes; with tools and without).\n"
        "Arms are paired on the same questions. An arm that would have chosen the same token at every step "
        f"of the ordinary run is not run again ({same} of {len(checks)} checked runs were the same).\n"
        "Intervals are 95 % bootstrap intervals that draw whole slices; there is one patient, so they say "
        "nothing about other patients. p is McNemar's exact test.\n\n"
        "Defaults, ours since the paper gives none: K = 16, M = 20, p = 0.95, self counted, input embedding, "
        "a content token has a letter."
    )


def _accuracy(rows: Sequence[Row], arms: Mapping[str, str]) -> str:
    value, low, high = mean_and_interval(rows, lambda row: right(row, None))
    lines = [
        "| decoding | right | 95 % | difference | 95 % | gained / lost | p | other answer |",
        "|---|---|---|---|---|---|---|---|",
        f"| ordinary | {value:.3f} | {low:.2f}–{high:.2f} | | | | | {len(rows)} questions |",
    ]
    for arm in arms:
        value, low, high = mean_and_interval(rows, partial(right, arm=arm))
        change, least, most = mean_and_interval(rows, partial(gain, arm=arm))
        gained, lost, p = mcnemar(rows, arm)
        other = sum(result(row, arm)["answer"] != row["ordinary"]["answer"] for row in rows)
        lines.append(
            f"| {arm} | {value:.3f} | {low:.2f}–{high:.2f} | {change:+.3f} | {least:+.2f}–{most:+.2f} "
            f"| {gained} / {lost} | {p:.2f} | {other} |"
        )
    return "\n".join(lines)


def _kinds(rows: Sequence[Row]) -> str:
    lines = ["| kind | n | ordinary | semsam |", "|---|---|---|---|"]
    for kind in dict.fromkeys(row["item"]["kind"] for row in rows):
        chosen = [row for row in rows if row["item"]["kind"] == kind]
        plain, other = (np.mean([right(row, arm) for row in chosen]) for arm in (None, "semsam"))
        lines.append(f"| {kind.replace('_', ' ')} | {len(chosen)} | {plain:.2f} | {other:.2f} |")
    return "\n".join(lines)


def _tokens(rows: Sequence[Row], arms: Mapping[str, str]) -> str:
    lines = [
        "Along the ordinary runs, so that every arm meets the same steps. Deferred: a candidate is no "
        "content token. Single: one candidate, so that nothing can change.",
        "",
        "| decoding | steps | deferred | single | changed | same word | antonym flips | runs changed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for arm in arms:
        told = [row["diagnostics"][arm] for row in rows]
        keys = ("steps", "deferred", "single", "changed", "same_word", "antonym_flips")
        total = {key: sum(one[key] for one in told) for key in keys}
        runs = sum(row["arms"][arm] is not None for row in rows)
        shares = [f"{total[key] / max(total['steps'], 1):.1%}" for key in ("deferred", "single")]
        counts = [str(total[key]) for key in ("changed", "same_word", "antonym_flips")]
        cells = [arm, str(total["steps"]), *shares, *counts, f"{runs} of {len(rows)}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _changes(rows: Sequence[Row]) -> str:
    pairs: Counter[tuple[str, str]] = Counter()
    for row in rows:
        for told in row["diagnostics"]["semsam"]["changed_to"]:
            pairs[told["from"], told["to"]] += told["count"]
    if not pairs:
        return "With the default settings no token was ever changed."
    lines = [f"`{a!r}` → `{b!r}` ({count})" for (a, b), count in pairs.most_common(20)]
    return "What the default settings changed most: " + ", ".join(lines) + "."
