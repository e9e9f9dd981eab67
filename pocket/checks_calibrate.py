"""What the witnesses of a claim are worth, from planted claims about held-out slices of A and B.

A log likelihood ratio for each answer, with half a claim added to every count, where it is more than chance;
the presence that a grounder needs is where true and false claims are told apart best. Knows no graph.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence

from scipy.stats import fisher_exact

from foveate.pocket.checks_run import Outcome
from foveate.tools.checks import weigh

ANSWERS = {"presence": ("found", "missing"), "crop": ("yes", "no")}
KEPT = 0.95
"""Share of the true claims that the presence needed must keep."""
CHANCE = 0.05
HEAD = """\
# Log likelihood ratios (true claim : false claim) of what a witness may answer; see weigh.py.
# `pocket` is measured: python -m foveate.pocket.checks_report --calibrate
prior = 0.5

# Unmeasured: a witness that speaks against a claim refutes it alone.
[model.default]
crop = { yes = 0.0, no = -1.0 }
twin = { consistent = 0.0, both = -1.0, reversed = -1.0 }

[grounder.default]
presence = { found = 0.0, missing = -1.0 }
"""


@contextlib.contextmanager
def asked_of(witnesses: Sequence[str]) -> Iterator[None]:
    """Just these witnesses are asked and none refutes: what is measured must not decide what is measured."""
    table = weigh.table()
    kept = {part: dict(table[part]) for part in ("model", "grounder")}
    asked = {name: dict.fromkeys(ANSWERS[name], 1.0) for name in witnesses}
    table["model"]["pocket"] = {k: v for k, v in asked.items() if k != "presence"}
    table["grounder"]["pocket"] = {k: v for k, v in asked.items() if k == "presence"}
    try:
        yield
    finally:
        table.update(kept)


def table(found: Sequence[Outcome], heard: Sequence[Outcome]) -> str:
    """The text of trust.toml: from claims whose evidence the grounder saw, and those that the model saw."""
    scored = [(row.claim.true, min(row.scores)) for row in found if row.scores]
    crops = [(row.claim.true, row.votes["crop"]) for row in heard if "crop" in row.votes]
    silent = len(heard) - len(crops)
    floor = best_floor(scored)
    presence = ratios([(true, "found" if score >= floor else "missing") for true, score in scored])
    crop = ratios(crops, ANSWERS["crop"])
    return "\n".join(
        [
            HEAD,
            "[model.pocket]",
            f"{_line('crop', crop)}  # {len(crops)} answers; to {silent} questions there was none",
            "",
            "[grounder.pocket]",
            f"floor = {floor:.3f}",
            f"{_line('presence', presence)}  # {len(scored)} answers",
            "",
        ]
    )


def best_floor(scored: Sequence[tuple[bool, float]]) -> float:
    """The score from which on most is right, among those that keep `KEPT` of the true claims."""
    true = sorted(score for fits, score in scored if fits)
    false = [score for fits, score in scored if not fits]
    if not true or not false:
        raise ValueError("no true or no false claims were measured; nothing can be calibrated.")
    highest = true[int((1 - KEPT) * len(true))]
    cuts = [cut for cut in sorted({*true, *false}) if cut <= highest]

    def right(cut: float) -> float:
        return sum(s >= cut for s in true) / len(true) + sum(s < cut for s in false) / len(false)

    return max(cuts, key=right)


def ratios(
    votes: Sequence[tuple[bool, str]], answers: Sequence[str] = ANSWERS["presence"]
) -> dict[str, float]:
    """answer → log of its share among true claims over its share among false ones.

    All 0 where the votes do not tell true from false claims (Fisher's exact test at `CHANCE`).
    """
    true, false = ([answer for fits, answer in votes if fits is truth] for truth in (True, False))
    counts = [[given.count(answer) for answer in answers] for given in (true, false)]
    if not true or not false or fisher_exact(counts).pvalue >= CHANCE:
        return dict.fromkeys(answers, 0.0)
    pad = 0.5 * len(answers)

    def share(given: Sequence[str], answer: str) -> float:
        return (given.count(answer) + 0.5) / (len(given) + pad)

    return {answer: math.log(share(true, answer) / share(false, answer)) for answer in answers}


def _line(witness: str, worth: dict[str, float]) -> str:
    told = ", ".join(f"{answer} = {value:.2f}" for answer, value in worth.items())
    return f"{witness} = {{ {told} }}"
