"""Server-sent events of a turn: from memory while this process answers it, from the database otherwise.

Each event has the turn's own running number as its id. Knows SSE and the ledger; knows no graph.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from fastapi import Request
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import StreamingResponse

from foveate.agent.service.core import Core
from foveate.agent.service.live import Told
from foveate.agent.service.problems import Problem

PING = 15.0
LOOK = 1.0
LOOK_AGAIN = 0.15
"""Seconds between looks at a turn that another server process answers."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def after_id(request: Request) -> int:
    """The last event that the client has seen, 0 at first. Raises Problem."""
    given = request.headers.get("last-event-id", "").strip() or "0"
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise Problem("bad-request", "Last-Event-ID is the id of an event of this turn, a whole number.")
    return int(given)


def response(request: Request, core: Core, session: str, turn: int, after: int) -> StreamingResponse:
    """The stream of a turn's events after a number, to the turn's end; it goes on without its listener."""
    events = patient(sse(core, session, turn, after), LOOK, request.is_disconnected)
    return StreamingResponse(events, media_type="text/event-stream", headers=HEADERS)


async def sse(core: Core, session: str, turn: int, after: int) -> AsyncGenerator[bytes, None]:
    """The events in SSE form."""
    async for event in told(core, session, turn, after):
        yield format_sse_event(data_str=event.data, event=event.kind, id=str(event.seq))


async def told(core: Core, session: str, turn: int, after: int) -> AsyncIterator[Told]:
    """The events after a number: first what is written, then what comes."""
    while True:
        live = core.turns.live(session, turn)
        row = await core.ledger.turn(session, turn)
        for event in await core.ledger.events(session, turn, after):
            after = event["seq"]
            yield Told(event["seq"], event["kind"], event["data"])
        if row is None or row["status"] != "running":
            return
        if live is None:
            await asyncio.sleep(LOOK_AGAIN)
            continue
        async for event_now in live.follow(after):
            after = event_now.seq
            yield event_now
        if live.ended:
            return


async def patient(
    events: AsyncGenerator[bytes, None], seconds: float, gone: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes]:
    """The events, with a look every so often whether the client is still there, and a comment every PING
    seconds without an event, so that no proxy closes the stream. `events` is closed at the end."""
    waiting: asyncio.Future[bytes] | None = None
    quiet = 0.0
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(events))
            if not (await asyncio.wait([waiting], timeout=seconds))[0]:
                quiet += seconds
                if await gone():
                    return
                if quiet >= PING:
                    quiet = 0.0
                    yield KEEPALIVE_COMMENT
                continue
            try:
                event = waiting.result()
            except StopAsyncIteration:
                return
            waiting, quiet = None, 0.0
            yield event
    finally:
        if waiting is not None and not waiting.done():
            waiting.cancel()
            await asyncio.wait([waiting])
        await events.aclose()
