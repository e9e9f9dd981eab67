"""The judge's verdicts: the declared form, RadFact by hand, and a judge that says nothing usable."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.scoring.entailment import Statement, Verdict, read_verdict, score_report

LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)


def judging(rule: Callable[[str, list[str]], str]) -> Callable[[str], str]:
    """A judge by rule: it is told the sentence and the sentences of the other report."""

    def judge(prompt: str) -> str:
        reference = re.findall(r"^\d+\. (.*)$", prompt, re.MULTILINE)
        [sentence] = re.findall(r"Sentence of the first report:\n(.*)", prompt)
        return rule(sentence, reference)

    return judge


def same(sentence: str, reference: list[str]) -> str:
    """What is said in the same words follows."""
    if sentence in reference:
        return f"verdict: entailment\nevidence: {reference.index(sentence) + 1}"
    return "verdict: neutral\nevidence: none"


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("verdict: entailment\nevidence: 1, 3", Verdict(True, (0, 2))),
        ("Verdict: Contradiction.\nEvidence: 2", Verdict(False, (1,))),
        ("verdict: neutral\nevidence: none", Verdict(False)),
        ("verdict: entailment\nevidence: 4", None),
        ("verdict: entailment\nevidence: 0", None),
        ("verdict: entailment", None),
        ("I think it is entailment.\nverdict: entailment\nevidence: 1", None),
        ("verdict: entailment or neutral\nevidence: 1", None),
    ],
)
def test_verdicts(reply: str, verdict: Verdict | None) -> None:
    assert read_verdict(reply, 3) == verdict


def test_a_report_by_hand() -> None:
    reference = [Statement("a", (LEFT,)), Statement("b", (RIGHT,)), Statement("c")]
    generated = [Statement("a", (LEFT,)), Statement("b", (LEFT,)), Statement("d", (RIGHT,))]
    found = score_report(generated, reference, judging(same))
    assert found == pytest.approx({
        "logical_precision": 2 / 3, "logical_recall": 2 / 3, "spatial_precision": 1 / 3,
        "spatial_recall": 1 / 2, "grounding_precision": 1 / 2, "grounding_recall": 1 / 2, "judge_failed": 0,
    })  # fmt: skip


def test_a_judge_without_a_verdict_is_counted_and_entails_nothing() -> None:
    report = [Statement("a", (LEFT,))]
    found = score_report(report, report, judging(lambda sentence, reference: "Certainly!"))
    assert found["judge_failed"] == 1 and found["logical_precision"] == found["logical_recall"] == 0


def test_an_empty_report_asks_no_judge() -> None:
    found = score_report([], [Statement("a")], judging(lambda sentence, reference: pytest.fail("asked")))
    assert found == {"logical_recall": 0, "judge_failed": 0}


@given(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=4), st.lists(st.sampled_from("abcd"), min_size=1)
)
def test_the_two_directions_are_each_others(one: list[str], other: list[str]) -> None:
    first, second = [Statement(t) for t in one], [Statement(t) for t in other]
    there, back = score_report(first, second, judging(same)), score_report(second, first, judging(same))
    assert there["logical_precision"] == back["logical_recall"]
    assert there["logical_recall"] == back["logical_precision"]
