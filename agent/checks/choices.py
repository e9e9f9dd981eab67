"""A question with options, asked again in other orders: what most orders choose is the answer.

Letters alone draw models to a place in the list; the vote takes the place out (as MedFrameQA's authors do).
Knows no model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from foveate import prompts

MAX_ORDERS = 4
LETTERS = "ABCDEFGHIJ"
_MARK = re.compile(r"(?:^|(?<=\s))\(?(?P<letter>[A-J])[).:]\s+")
_CHOSEN = re.compile(
    r"^\W*(?P<lead>(?:the\s+)?(?:correct\s+)?(?:answer|option)(?:\s+is)?\s*:?\s*)?"
    r"\(?(?P<letter>[A-J])\b(?P<end>[).:,]|\s*$)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Choice:
    """A question's stem and its options in the order given."""

    stem: str
    options: tuple[str, ...]

    def asked(self, order: Sequence[int]) -> str:
        """The question with its options in another order, lettered anew."""
        lines = (f"{LETTERS[n]}) {self.options[k]}" for n, k in enumerate(order))
        template: str = prompts.table("checks/questions.toml")["full"]["choice"]
        return template.format(stem=self.stem, options="\n".join(lines))

    def orders(self) -> list[list[int]]:
        """Other orders, each option once in another place: turns of the list, at most `MAX_ORDERS`."""
        every = list(range(len(self.options)))
        return [every[n:] + every[:n] for n in every[1 : MAX_ORDERS + 1]]

    def chosen(self, text: str, order: Sequence[int]) -> int | None:
        """Which option (by its first place) a reply means: by letter, else by its words if only one fits.

        A letter that begins a sentence ("A kidney is shown.") is a word of it, unless its own option follows.
        """
        match = _CHOSEN.match(text)
        place = LETTERS.index(match["letter"].upper()) if match else len(order)
        if match and place < len(order):
            follows = text[match.end() :].lower().lstrip().startswith(self.options[order[place]].lower())
            if match["end"] is not None or match["lead"] or follows:
                return order[place]
        said = text.lower()
        fits = [
            k for k, option in enumerate(self.options) if re.search(rf"\b{re.escape(option.lower())}\b", said)
        ]
        return fits[0] if len(fits) == 1 else None


def read_choice(question: str) -> Choice | None:
    """The options of a question that letters them A, B, … in order, two at least; None for others."""
    marks = list(_MARK.finditer(question))
    start = next((n for n, mark in enumerate(marks) if mark["letter"] == "A"), None)
    if start is None:
        return None
    marks = marks[start:]
    count = next((n for n, mark in enumerate(marks) if mark["letter"] != LETTERS[n]), len(marks))
    if count < 2:
        return None
    ends = [mark.start() for mark in marks[1:count]] + [len(question)]
    options = [question[m.end() : end].strip(" ,;\n") for m, end in zip(marks[:count], ends, strict=True)]
    options[-1] = options[-1].splitlines()[0].strip() if options[-1] else ""
    stem = question[: marks[0].start()].strip()
    return Choice(stem, tuple(options)) if all(options) and len(set(options)) == count else None


def vote(chosen: Sequence[int | None]) -> tuple[int | None, float]:
    """(the option most chose, its share of those that chose); None where two lead together or none chose."""
    counts = Counter(each for each in chosen if each is not None).most_common(2)
    if not counts or (len(counts) > 1 and counts[0][1] == counts[1][1]):
        return None, 0.0
    return counts[0][0], counts[0][1] / sum(each is not None for each in chosen)
