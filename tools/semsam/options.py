"""The options of semantic sampling, and how they are written: `semsam:k=16,m=20,p=0.95,mode=argmax`.

The paper (MIS-SemSam, arXiv 2603.14579) does not give K, M, p or its content filter, so all are options.
Light to import: a server's front end reads options without torch. Knows no table and no model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

Mode = Literal["argmax", "softmax"]
Ablation = Literal["none", "lexical", "no_antonyms", "random", "self_only"]

NAME = "semsam"
MAX_M = 256
"""Candidates at most: beyond it a step would cost what a sort of the vocabulary costs."""
MAX_TEXT = 200


class OptionError(ValueError):
    """An option that cannot be; one sentence that says which and what it may be."""


@dataclass(frozen=True)
class Options:
    """How one request is decoded.

    `k`: neighbours that are summed, of those that the table has. `m`, `p`: candidates are the top-m tokens,
    cut where their probability (full softmax) reaches p. `mode`: "argmax" takes the best score, "softmax"
    draws from scores^(1/tau). `own` (written `self`): whether a token counts as its own neighbour with
    weight 1. `normalize`: divide a score by the sum of its weights, so that a dense neighbourhood is no
    advantage. `ablation`: "lexical" keeps neighbours that are the same word in another case or spacing,
    "no_antonyms" drops opposites, "random" swaps neighbours for random content tokens, "self_only" drops
    them all.
    """

    k: int = 16
    m: int = 20
    p: float = 0.95
    mode: Mode = "argmax"
    tau: float = 1.0
    own: bool = True
    normalize: bool = False
    ablation: Ablation = "none"

    def __post_init__(self) -> None:
        _check_int("k", self.k, 0, 1024)
        _check_int("m", self.m, 1, MAX_M)
        if not 0 < self.p <= 1:
            raise OptionError(f"semsam: p must be above 0 and at most 1, not {self.p:g}")
        if not (0 < self.tau < math.inf):
            raise OptionError(f"semsam: tau must be above 0, not {self.tau:g}")
        _check_word("mode", self.mode, get_args(Mode))
        _check_word("ablation", self.ablation, get_args(Ablation))
        if not self.own and (self.k == 0 or self.ablation == "self_only"):
            raise OptionError("semsam: without neighbours a token must count as its own: leave self=1")

    def text(self) -> str:
        """The options as `parse_options` reads them, only those that differ from the defaults."""
        told = ((_written(field.name), getattr(self, field.name), field.default) for field in fields(self))
        return ",".join(f"{name}={_word(value)}" for name, value, default in told if value != default)


def parse_decoding(text: str) -> Options | None:
    """`default` (None) or `semsam[:OPTIONS]`. Raises OptionError."""
    name, _, rest = text.strip().partition(":")
    if name == "default" and not rest:
        return None
    if name != NAME:
        raise OptionError(
            f"there is no decoding {name[:40]!r}; there are: default, semsam[:k=16,m=20,p=0.95,…]"
        )
    return parse_options(rest)


def parse_options(text: str) -> Options:
    """`k=16,m=20,…`; empty gives the defaults. Raises OptionError."""
    if len(text) > MAX_TEXT:
        raise OptionError(f"semsam: options longer than {MAX_TEXT} characters")
    given: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or name not in _READERS:
            raise OptionError(f"semsam: {part[:40]!r} is no option; options are {', '.join(_READERS)}")
        if name in given:
            raise OptionError(f"semsam: {name} is given twice")
        given[name] = _READERS[name](name, value.strip())
    return Options(**{_FIELDS.get(name, name): value for name, value in given.items()})


def request_options(extra: Mapping[str, Any] | None) -> Options | None:
    """The options in a vLLM request's `extra_args` (`vllm_xargs` over HTTP): {"semsam": "k=16,m=20"}.

    None when the request does not ask for semantic sampling. Raises OptionError.
    """
    named = [key for key in extra or {} if key.lower().startswith(NAME)]
    if not named:
        return None
    if named != [NAME]:
        wrong = next(key for key in named if key != NAME)
        raise OptionError(f"{wrong[:40]!r} is no argument; write all options in one text: semsam='k=16,m=20'")
    value = (extra or {})[NAME]
    if not isinstance(value, str):
        raise OptionError("the argument semsam must be a text such as 'k=16,m=20', or '' for the defaults")
    return parse_options(value.removeprefix(NAME).removeprefix(":"))


def _check_int(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise OptionError(f"semsam: {name} must be {low} to {high}, not {value}")


def _check_word(name: str, value: str, words: tuple[str, ...]) -> None:
    if value not in words:
        raise OptionError(f"semsam: {name} must be one of {', '.join(words)}, not {value[:40]!r}")


def _whole(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise OptionError(f"semsam: {name} must be a whole number, not {value[:40]!r}") from None


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise OptionError(f"semsam: {name} must be a number, not {value[:40]!r}") from None


def _truth(name: str, value: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if value.lower() not in known:
        raise OptionError(f"semsam: {name} must be 1 or 0, not {value[:40]!r}")
    return known[value.lower()]


def _same(name: str, value: str) -> str:
    return value


_FIELDS = {"self": "own"}
_READERS: dict[str, Any] = {
    "k": _whole,
    "m": _whole,
    "p": _number,
    "mode": _same,
    "tau": _number,
    "self": _truth,
    "normalize": _truth,
    "ablation": _same,
}


def _written(name: str) -> str:
    return "self" if name == "own" else name


def _word(value: object) -> str:
    return (
        str(int(value))
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
