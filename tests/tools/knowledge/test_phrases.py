"""A report in words becomes sentences with the phrases that can be pointed at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.tools.knowledge.phrases import Phrase, sentences

REPORT = """FINDINGS: There is a small left-sided pleural effusion. No pneumothorax.
A lung nodule lies in the right lung. The patient is comfortable.
"""


def test_findings_are_phrases_with_their_side_and_denial() -> None:
    read = sentences(REPORT)
    assert [s.phrases for s in read] == [
        (Phrase("left pleural effusion", False),),
        (Phrase("pneumothorax", True),),
        (Phrase("lung nodule", False),),
        (),
    ]
    assert read[0].text == "There is a small left-sided pleural effusion."


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("There is a pleural\neffusion on the left.", [False]),
        ("A pneumothorax is not seen.", [True]),
        ("The pleural effusion has resolved.", [True]),
        ("Pneumothorax and pleural effusion are absent.", [True, True]),
        ("The pleural effusion is smaller, and a pneumothorax is not seen.", [False, True]),
        ("No change in the pleural effusion.", [False]),
        ("No pneumothorax, there is a pleural effusion.", [True, False]),
        (f"No consolidation, {'nor anything like it, ' * 5}pneumothorax, pleural effusion.", [True] * 3),
    ],
)  # fmt: skip
def test_what_a_sentence_denies(text: str, denied: list[bool]) -> None:
    assert [phrase.negated for one in sentences(text) for phrase in one.phrases] == denied


def test_a_report_without_a_sentence_is_refused() -> None:
    with pytest.raises(ValueError, match="no sentence"):
        sentences(" \n \n")


@given(st.text(max_size=300))
def test_no_word_of_a_phrase_is_invented(text: str) -> None:
    try:
        read = sentences(text)
    except ValueError:
        return
    for sentence in read:
        assert all(
            set(p.text.split()) <= set(text.lower().replace("-", " ").split()) | {p.text}
            for p in sentence.phrases
        )
