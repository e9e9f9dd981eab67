"""What the witnesses of a claim are worth, from planted claims about held-out slices of A and B.

A log likelihood ratio for each answer, with half a claim added to every count, where it is more than chance.
The presence that a grounder needs, and the overlap of what it finds with the evidence, are where true and
false claims are told apart best. Knows no graph.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence

from scipy.stats import chi2_contingency, fisher_exact

from foveate.pocket.checks_run import Outcome
from foveate.tools.checks import weigh

ANSWERS = {"presence": ("found", "elsewhere", "missing"), "crop": ("yes", "no")}
KEPT = 0.95
"""Share of the true claims that the presence needed must keep, and the overlap needed of the remaining."""
CHANCE = 0.05
HEAD = """\
# Log likelihood ratios (true claim : false claim) of what a witness may answer; see weigh.py.
# `pocket` is measured: {command}
prior = 0.5

# Unmeasured: a witness that speaks against a claim refutes it alone.
[model.default]
crop = { yes = 0.0, no = -1.0 }
twin = { consistent = 0.0, both = -1.0, reversed = -1.0 }

[grounder.default]
presence = { found = 0.0, missing = -1.0 }
"""
Vote = tuple[bool, str]
"""Whether the claim is true, and what the witness answered."""


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


def trust_table(found: Sequence[Outcome], heard: Sequence[Outcome], command: str) -> str:
    """The text of trust.toml: from claims whose evidence the grounder saw, and those that the model saw.

    `command` is what measured it. Raises ValueError where a kind of claims is missing.
    """
    crops = [(row.claim.true, row.votes["crop"]) for row in heard if "crop" in row.votes]
    floor, overlap, votes = presence_votes(found)
    crop, presence = ratios(crops, ANSWERS["crop"]), ratios(votes, ANSWERS["presence"])
    return "\n".join(
        [
            HEAD.replace("{command}", command),
            "[model.pocket]",
            f"# a yes or a no to {len(crops)} of {len(heard)} questions; {_counted(crops, ANSWERS['crop'])}",
            _line("crop", crop),
            "",
            "[grounder.pocket]",
            f"floor = {floor:.3f}",
            f"overlap = {overlap:.3f}",
            f"# {_counted(votes, ANSWERS['presence'])}",
            _line("presence", presence),
            "",
        ]
    )


def presence_votes(found: Sequence[Outcome]) -> tuple[float, float, list[Vote]]:
    """(floor, overlap, votes): the cuts that tell true from false claims best, and what the grounder says
    with them. A score below the floor is "missing"; an overlap below the second cut is "elsewhere"."""
    scored = [(row.claim.true, row.scores[0], row.overlaps[0]) for row in found if len(row.scores) == 1]
    floor = best_cut([(true, score) for true, score, _ in scored])
    marked = [(true, beside) for true, score, beside in scored if score >= floor and beside is not None]
    overlap = best_cut(marked)

    def vote(score: float, beside: float | None) -> str:
        if score < floor:
            return "missing"
        return "found" if beside is None or beside >= overlap else "elsewhere"

    return floor, overlap, [(true, vote(score, beside)) for true, score, beside in scored]


def best_cut(scored: Sequence[tuple[bool, float]]) -> float:
    """The value from which on most is right, among those that keep `KEPT` of the true claims. Raises
    ValueError without true or without false claims."""
    true = sorted(value for fits, value in scored if fits)
    false = [value for fits, value in scored if not fits]
    if not true or not false:
        raise ValueError("no true or no false claims were measured; nothing can be calibrated.")
    highest = true[int((1 - KEPT) * len(true))]
    cuts = [cut for cut in sorted({*true, *false}) if cut <= highest]

    def right(cut: float) -> float:
        return sum(s >= cut for s in true) / len(true) + sum(s < cut for s in false) / len(false)

    return max(cuts, key=right)


def ratios(votes: Sequence[Vote], answers: Sequence[str]) -> dict[str, float]:
    """answer → log of its share among true claims over its share among false ones.

    All 0 where the votes do not tell true from false claims at `CHANCE`: by Fisher's exact test for two
    answers, by the chi-squared test for more.
    """
    true, false = ([answer for fits, answer in votes if fits is truth] for truth in (True, False))
    given = [answer for answer in answers if answer in true or answer in false]
    counts = [[each.count(answer) for answer in given] for each in (true, false)]
    if not true or not false or len(given) < 2 or _chance(counts) >= CHANCE:
        return dict.fromkeys(answers, 0.0)
    pad = 0.5 * len(answers)

    def share(each: Sequence[str], answer: str) -> float:
        return (each.count(answer) + 0.5) / (len(each) + pad)

    return {answer: math.log(share(true, answer) / share(false, answer)) for answer in answers}


def _chance(counts: Sequence[Sequence[int]]) -> float:
    """The p-value of a table of counts (2, answers)."""
    exact = len(counts[0]) == 2
    return float(fisher_exact(counts).pvalue if exact else chi2_contingency(counts).pvalue)


def _counted(votes: Sequence[Vote], answers: Sequence[str]) -> str:
    """How often a witness gave each answer to true and to false claims."""
    told = []
    for truth, word in ((True, "true"), (False, "false")):
        given = [answer for fits, answer in votes if fits is truth]
        told.append(f"{word} claims: " + ", ".join(f"{answer} {given.count(answer)}" for answer in answers))
    return "; ".join(told)


def _line(witness: str, worth: dict[str, float]) -> str:
    told = ", ".join(f"{answer} = {value:.2f}" for answer, value in worth.items())
    return f"{witness} = {{ {told} }}"
