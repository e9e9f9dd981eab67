"""How plain answers to the pocket questions are read; the truth plays no part."""

from __future__ import annotations

import pytest

from foveate.evals.contract.answers import Claim, Prediction
from foveate.evals.contract.questions import AnswerKind, Question
from foveate.evals.tasks.pocket_reading import read_pocket


def question(asked: str, kind: AnswerKind = "yes_no") -> Question:
    return Question("q", (), "?", kind, "c", filters={"asked": asked})


@pytest.mark.parametrize(
    ("text", "outcome", "value"),
    [
        ("The spleen is visible (E1): image right, patient left.", "read", "right"),
        ("It lies image left.", "read", "left"),
        ("It is on the image middle (E1).", "read", "middle"),
        ("Image left or image right.", "unreadable", None),
        ("On the left.", "unreadable", None),
    ],
)
def test_sides(text: str, outcome: str, value: str | None) -> None:
    reading = read_pocket(question("side", "text"), Prediction(text))
    assert (reading.outcome, reading.value) == (outcome, value)


@pytest.mark.parametrize(
    ("text", "outcome", "value"),
    [
        ("Yes. The liver (E1) is left of the spleen (E2).", "read", "yes"),
        ("No. The liver (E1) is not left of the spleen (E2).", "read", "no"),
        ("Yes. The liver (E1) is larger than the spleen (E2).", "unreadable", None),
        ("The liver is left of the spleen.", "unreadable", None),
    ],
)
def test_an_answer_about_another_relation_is_none(text: str, outcome: str, value: str | None) -> None:
    reading = read_pocket(question("left_of"), Prediction(text))
    assert (reading.outcome, reading.value) == (outcome, value)


def test_presence_by_words_claims_and_reason() -> None:
    asked = question("present")
    absent = (Claim("No spleen.", present=False),)
    assert read_pocket(asked, Prediction("Yes. It is there.")).value == "yes"
    assert read_pocket(asked, Prediction("No spleen is visible.", claims=absent)).value == "no"
    assert read_pocket(asked, Prediction("None.", abstained=True, reason="not_visible")).value == "no"
    assert read_pocket(asked, Prediction("?", abstained=True, reason="cannot_tell")).outcome == "abstained"
    ended = Prediction("?", abstained=True, reason="not_visible", stopped_by="seconds")
    assert read_pocket(asked, ended).outcome != "read"


def test_abstaining_on_a_relation_is_no_answer() -> None:
    said = Prediction("No spleen is visible.", abstained=True, reason="not_visible")
    assert read_pocket(question("left_of"), said).outcome == "abstained"
