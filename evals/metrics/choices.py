"""Reads multiple-choice and yes/no replies in the one form that the prompt declared, and nothing else.

A reply that names two options, or none, or an option that was not offered, is a fault and never a guess; the
lenient parsers of some benchmarks (last letter seen, substring "Yes") reward rambling. Never sees the right
option.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Literal

# whole: the reply is the option; first_word: yes or no, then reasons; the others mark the option's place.
Form = Literal["whole", "first_word", "boxed", "answer_line", "answer_tag"]
Fault = Literal["empty", "unparseable", "ambiguous", "not_offered"]
_PLACES: dict[str, re.Pattern[str]] = {
    "boxed": re.compile(r"\\boxed\{([^{}]*)\}"),
    "answer_line": re.compile(r"^[ \t]*(?:final )?answer[ \t]*:[ \t]*(.*)$", re.IGNORECASE | re.MULTILINE),
    "answer_tag": re.compile(r"<answer>(.*?)</answer>", re.DOTALL),
}
_LETTER = re.compile(r"\(?([A-Za-z])\)?[.:)]?(?:\s+(.+))?", re.DOTALL)
_FIRST = re.compile(r"(yes|no)\b\s*(?:[.,:;!\n–—-]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Choice:
    """`option` (a letter, or "yes" or "no") or, when there is none, the `fault`."""

    option: str | None = None
    fault: Fault | None = None


_Reader = Callable[[str], Choice]


@dataclass(frozen=True)
class Vote:
    """Majority over several orders of the options (None for a tie or no vote) and the share that chose it."""

    option: str | None
    agreement: float


def read_choice(reply: str, options: Sequence[str], form: Form = "whole") -> Choice:
    """The chosen letter of `options` (A, B, ... in the order shown).

    The option is its letter, with or without brackets or a stop, and with or without its own text after it
    ("B", "(B)", "B. pneumonia"). Any other text after the letter is a fault.
    """
    return _read(reply, form, lambda part: _letter(part, options))


def read_yes_no(reply: str, form: Form = "whole") -> Choice:
    """ "yes" or "no". `first_word` allows reasons after it, but not the other word as an answer too."""
    return _read(reply, form, _first_word if form == "first_word" else _yes_no)


def vote(choices: Sequence[Choice]) -> Vote:
    """Majority of choices whose letters were mapped back to one order; faults count as votes for none.

    Option-order vote as in MedFrameQA work; the agreement serves as a confidence.
    """
    counted = Counter(choice.option for choice in choices if choice.option is not None).most_common(2)
    if not counted or (len(counted) == 2 and counted[0][1] == counted[1][1]):
        return Vote(None, 0.0)
    return Vote(counted[0][0], counted[0][1] / len(choices))


def _read(reply: str, form: Form, read: _Reader) -> Choice:
    if not reply.strip():
        return Choice(fault="empty")
    place = _PLACES.get(form)
    parts = [reply] if place is None else [found.group(1) for found in place.finditer(reply)]
    found = {read(part.strip()) for part in parts}
    if not found:
        return Choice(fault="unparseable")
    # The same option in two places is one answer; anything else said twice is not.
    return found.pop() if len(found) == 1 else Choice(fault="ambiguous")


def _letter(part: str, options: Sequence[str]) -> Choice:
    letters = ascii_uppercase[: len(options)]
    match = _LETTER.fullmatch(part)
    if match is None or not _own_text(match.group(1).upper(), match.group(2), options):
        named = set(re.findall(rf"\b[{letters}]\b", part)) | {o for o in options if _same(o, part)}
        return Choice(fault="ambiguous" if len(named) > 1 else "unparseable")
    letter = match.group(1).upper()
    return Choice(letter) if letter in letters else Choice(fault="not_offered")


def _own_text(letter: str, text: str | None, options: Sequence[str]) -> bool:
    index = ascii_uppercase.index(letter)
    return text is None or (index < len(options) and _same(options[index], text))


def _same(option: str, text: str) -> bool:
    return option.strip().rstrip(".").casefold() == text.strip().rstrip(".").casefold()


def _yes_no(part: str) -> Choice:
    word = part.rstrip(".!").casefold()
    if word in ("yes", "no"):
        return Choice(word)
    return Choice(fault=_both(part))


def _first_word(part: str) -> Choice:
    match = _FIRST.match(part)
    if match is None:
        return Choice(fault=_both(part))
    word, rest = match.group(1).casefold(), part[match.end() :]
    # "Yes, no effusion" denies a thing; "Yes. No." and "No - yes" answer twice.
    other = r"\byes\b" if word == "no" else r"\bno\b\s*(?:[.,:;!]|$)"
    return Choice(fault="ambiguous") if re.search(other, rest, re.IGNORECASE) else Choice(word)


def _both(part: str) -> Fault:
    named = set(re.findall(r"\b(?:yes|no)\b", part.casefold()))
    return "ambiguous" if len(named) == 2 else "unparseable"
