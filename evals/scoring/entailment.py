"""Asks a judge which sentences of one report follow from another, as RadFact wants to know it.

One question to the judge for each sentence, with all sentences of the other report. Its answer is read in the
declared two lines and in no other way: a judge that gives no verdict is counted, and the sentence then does
not follow. Knows no task and no file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from foveate import prompts
from foveate.evals.contract.tasks import Judge, Metric
from foveate.evals.metrics.radfact import Box, Sentence, radfact

_VERDICT = re.compile(
    r"verdict: *(entailment|neutral|contradiction)[ .]*\n+evidence: *(none|\d+(?: *, *\d+)*)[ .]*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Statement:
    """A sentence of a report and its boxes, (x0, y0, x1, y1) as shares of the image, if it has any."""

    text: str
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What the judge said of one sentence; `evidence` counts the other report's sentences from 0."""

    entailed: bool
    evidence: tuple[int, ...] = ()


def read_verdict(reply: str, sentences: int) -> Verdict | None:
    """The judge's verdict; None where the reply is not in the declared form or names a sentence not there."""
    found = _VERDICT.fullmatch(reply.strip())
    if found is None:
        return None
    named = [] if found[2].lower() == "none" else [int(number) for number in found[2].split(",")]
    if any(not 1 <= number <= sentences for number in named):
        return None
    return Verdict(found[1].lower() == "entailment", tuple(number - 1 for number in named))


def score_report(
    generated: Sequence[Statement], reference: Sequence[Statement], judge: Judge
) -> Mapping[str, float]:
    """RadFact's numbers of one report, those with a denominator, and `judge_failed`, the share of sentences
    that the judge gave no verdict for.
    """
    one, failed = _judged(generated, reference, judge)
    other, more = _judged(reference, generated, judge)
    numbers = {name: value for name, value in asdict(radfact(one, other)).items() if not math.isnan(value)}
    return {**numbers, "judge_failed": (failed + more) / max(1, len(generated) + len(reference))}


def _judged(own: Sequence[Statement], other: Sequence[Statement], judge: Judge) -> tuple[list[Sentence], int]:
    """The sentences with their verdicts, and how many the judge gave none for."""
    numbered = "\n".join(f"{number}. {each.text}" for number, each in enumerate(other, start=1))
    made, failed = [], 0
    for statement in own:
        verdict: Verdict | None = Verdict(False)
        if other:  # nothing follows from an empty report
            asked = prompts.fill("evals/radfact/entailment.txt", reference=numbered, sentence=statement.text)
            verdict = read_verdict(judge(asked), len(other))
        failed += verdict is None
        evidence = [box for number in (verdict.evidence if verdict else ()) for box in other[number].boxes]
        entailed = verdict is not None and verdict.entailed
        made.append(Sentence(entailed, statement.boxes or None, tuple(evidence)))
    return made, failed


METRICS = (
    Metric("logical_precision", official=True, meaning="RadFact: claims that the report supports"),
    Metric("logical_recall", official=True, meaning="RadFact: sentences of the report that are claimed"),
    Metric("grounding_precision", official=True, meaning="RadFact: supported claims whose boxes agree"),
    Metric("grounding_recall", official=True, meaning="RadFact: claimed sentences whose boxes agree"),
    Metric("spatial_precision", official=True, meaning="RadFact: claims with boxes, supported and agreeing"),
    Metric("spatial_recall", official=True, meaning="RadFact: sentences with boxes, claimed and agreeing"),
    Metric("judge_failed", better="lower", meaning="share of sentences without a verdict of the judge"),
)
