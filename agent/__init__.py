"""The reasoning service: ask a question about images, get an answer that points at its evidence.

`Agent`, `Budget` and `Result` are loaded when they are first used, so that the command line stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foveate.agent.budget import Budget
    from foveate.agent.result import Result
    from foveate.agent.run import Agent

__all__ = ["Agent", "Budget", "Result"]

_HOMES = {"Agent": "run", "Budget": "budget", "Result": "result"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
