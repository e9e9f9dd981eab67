"""Joins the small chunks of a streamed reply while they come faster than anybody reads.

A server sends an event per token, and to make a message of each costs a client more than the token's text is
worth: at some hundred tokens a second, all of a core. Here deltas that come within a moment become one event.
Knows the wire format (server-sent events, OpenAI's chat chunks); what it does not know passes as it is.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from httpx2 import AsyncByteStream, Response

MOMENT = 0.1
"""Seconds after something was handed on in which what comes next waits for more."""
GROWING = frozenset({"content", "reasoning", "reasoning_content", "arguments"})
"""Fields of a chunk that are parts of a text."""


class _Different(Exception):
    """Two chunks that are not parts of one text."""


def joined(first: Any, second: Any, key: str = "") -> Any:
    """One JSON value for two that follow each other: texts that grow are put together, all else must be the
    same. Raises _Different."""
    if isinstance(first, str) and isinstance(second, str) and key in GROWING:
        return first + second
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        return {name: joined(value, second[name], name) for name, value in first.items()}
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second) == 1:
        return [joined(first[0], second[0])]
    # a name that is sent again is one more part to whoever adds chunks up
    if first != second or (key == "name" and first is not None):
        raise _Different
    return first


def gathered(events: Iterator[bytes]) -> Iterator[bytes]:
    """Server-sent events, each with its blank line, with neighbours that are parts of one text joined."""
    held: tuple[Any, bytes] | None = None
    for event in events:
        chunk = _chunk(event)
        try:
            if held is None or chunk is None:
                raise _Different
            both = joined(held[0], chunk)
            held = both, b""
        except _Different:
            yield from _written(held)
            held = None if chunk is None else (chunk, event)
            if chunk is None:
                yield event
    yield from _written(held)


def _written(held: tuple[Any, bytes] | None) -> Iterator[bytes]:
    """A chunk that stood alone is sent byte for byte as it came."""
    if held is not None:
        yield held[1] or b"data: " + json.dumps(held[0]).encode() + b"\n\n"


def _chunk(event: bytes) -> dict[str, Any] | None:
    """The chunk of an event of one line with one choice; None for any other."""
    if not event.startswith(b"data: {") or event.count(b"\n") != 2:
        return None
    try:
        read = json.loads(event[6:])
    except ValueError:
        return None
    choices = read.get("choices")
    return read if isinstance(choices, list) and len(choices) == 1 else None


class GatheredBody(AsyncByteStream):
    """A response's body, its events joined."""

    def __init__(self, body: AsyncByteStream, clock: Callable[[], float] = time.monotonic) -> None:
        self._body, self._clock = body, clock

    async def __aiter__(self) -> AsyncIterator[bytes]:
        waiting, last = b"", self._clock() - MOMENT
        async for part in self._body:
            waiting += part
            if self._clock() - last < MOMENT:
                continue
            whole, mark, waiting = waiting.rpartition(b"\n\n")
            if mark:
                yield b"".join(gathered(_events(whole + mark)))
                last = self._clock()
        if waiting:
            yield b"".join(gathered(_events(waiting)))

    async def aclose(self) -> None:
        await self._body.aclose()


def _events(told: bytes) -> Iterator[bytes]:
    """Each event with its blank line; what has none at the end comes last as it is."""
    *whole, rest = told.split(b"\n\n")
    yield from (event + b"\n\n" for event in whole)
    if rest:
        yield rest


async def gather(response: Response) -> None:
    """A hook for an asynchronous client: joins the events of a response that is a stream of them."""
    streams = response.headers.get("content-type", "").startswith("text/event-stream")
    if streams and isinstance(response.stream, AsyncByteStream):
        response.stream = GatheredBody(response.stream)
