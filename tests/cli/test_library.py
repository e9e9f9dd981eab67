"""`ask --library` for people: what was looked up and what became of it is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Foveate

ASKED = ("--grounder", "none", "--library", "knowledge")


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Is there a pleural effusion?", "With and without them the answer is the same (2 questions)."),
        ("Zzz?", "nothing in the library is near this question, so none was used."),
    ],
)
def test_it_is_said_in_words_what_became_of_the_references(
    question: str, words: str, foveate: Foveate, picture: Path, script
) -> None:
    ran = foveate("ask", picture, "-q", question, *ASKED, "-m", script([("answer", {"text": "No."})]))
    [line] = [line for line in ran.out.splitlines() if line.startswith("References: ")]
    assert ran.code == 0 and line.endswith(words)
    assert ("knowledge/pleural effusion" in line) == ("effusion" in question)
