"""What happens in a run, told while it happens.

`emit` is called by nodes and by tool threads and reaches whoever streams the graph; outside a stream it does
nothing. Knows no node and no listener.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from langgraph.config import get_stream_writer

if TYPE_CHECKING:
    from foveate.agent.result import Result

Kind = Literal[
    "view", "box", "model_start", "token", "model_end", "tool_start", "tool_end", "step", "repair", "answer"
]


@dataclass(frozen=True)
class Event:
    """One thing that happened; `data` is JSON-able and holds references, never pixels.

    `view`: a named View. `box`: an Evidence. `model_start` {call}, `token` {call, channel, delta} where
    channel is "text" or "answer", `model_end` {call, usage}. `tool_start` {n, tool, arguments} and `tool_end`
    {n, tool, ok, seconds, error} as the call begins and ends; `step` is its whole record, once the views and
    boxes it made have names. `repair` {n, reason}. `answer` is `Result.to_json()`, with the `result` itself.
    """

    kind: Kind
    data: dict[str, Any] = field(default_factory=dict)
    result: Result | None = field(default=None, compare=False, repr=False)


def emit(kind: Kind, **data: Any) -> None:
    """Tells the stream of the run that this thread or task works for; silent where nobody listens."""
    # RuntimeError: no run here, or a tool that was abandoned at its deadline speaks after the stream's end
    with contextlib.suppress(RuntimeError):
        get_stream_writer()(Event(kind, data))
