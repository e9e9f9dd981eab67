"""Turns that are being answered in this process: their events, kept in order, written, then told.

An event reaches a listener only after it is in the database, so that a listener who comes back after a crash
with the last id it saw misses nothing and hears nothing twice. Events of all turns share transactions.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from foveate.agent.service.database import Conflict, Statement
from foveate.agent.service.ledger import Ledger, ending

TOGETHER = 0.03
"""Seconds that a token, or an event that nobody listens to, waits for more, so that many share a
transaction; no other event waits, nor does a turn's end."""
MAX_HELD = 20_000
"""Events of one turn that are kept; a model that babbles loses its tokens, not its end."""


@dataclass(frozen=True)
class Told:
    """One event as it is stored and sent; `data` is JSON."""

    seq: int
    kind: str
    data: str


@dataclass
class Live:
    """One running turn. `told` are the written events since this process has had the turn."""

    session: str
    number: int
    server: str
    tokens: bool = True  # whether somebody listens, or may, while the model writes
    seq: int = 0
    told: list[Told] = field(default_factory=list)
    ended: bool = False
    lost: bool = False  # another server has it, or the database is gone
    cancelled: bool = False
    task: asyncio.Task[None] | None = None
    views: dict[str, dict[str, Any]] = field(default_factory=dict)
    evidence: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def notify(self) -> None:
        """Wakes everybody who waits for news."""
        waiting, self.changed = self.changed, asyncio.Event()
        waiting.set()

    async def follow(self, after: int) -> AsyncIterator[Told]:
        """The events after a number, as they come, to the turn's end."""
        at = 0
        while True:
            news, changed = self.told[at:], self.changed
            at += len(news)
            for event in news:
                if event.seq > after:
                    yield event
            if at == len(self.told) and (self.ended or self.lost):
                return
            if at == len(self.told):
                await changed.wait()


@dataclass(frozen=True)
class _Item:
    live: Live
    event: Told
    end: Statement | None


class EventWriter:
    """Writes events of all running turns in groups; start `run` as a task."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._queue: asyncio.Queue[_Item] = asyncio.Queue()
        self._urgent = asyncio.Event()

    def put(self, live: Live, kind: str, data: dict[str, Any]) -> None:
        """An event of a turn."""
        if live.lost or (kind == "token" and live.seq > MAX_HELD):
            return
        live.seq += 1
        self._put(_Item(live, Told(live.seq, kind, json.dumps(data)), None))

    def end(self, live: Live, status: str, result: str | None, problem: str | None) -> None:
        """The turn's last event, written together with its end."""
        live.seq += 1
        last = Told(live.seq, "turn_end", json.dumps({"turn": live.number, "status": status}))
        statement = ending(live.session, live.number, live.server, status, result, problem)
        self._put(_Item(live, last, statement))

    def _put(self, item: _Item) -> None:
        self._queue.put_nowait(item)
        if item.end is not None or (item.live.tokens and item.event.kind != "token"):
            self._urgent.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            items = [await self._queue.get()]
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), TOGETHER)
            self._urgent.clear()
            while not self._queue.empty():
                items.append(self._queue.get_nowait())
            await self._written(items)

    async def _written(self, items: list[_Item]) -> None:
        try:
            await self._write(items)
        except Exception:  # one turn's fault must not take the others' events with it
            for live in {id(item.live): item.live for item in items}.values():
                own = [item for item in items if item.live is live]
                try:
                    await self._write(own)
                except Exception as error:
                    _lose(live, error)

    async def _write(self, items: list[_Item]) -> None:
        rows = [
            (item.live.session, item.live.number, item.event.seq, item.event.kind, item.event.data)
            for item in items
        ]
        await self._ledger.write_events(rows, [item.end for item in items if item.end is not None])
        for item in items:
            item.live.told.append(item.event)
            item.live.ended = item.live.ended or item.end is not None
        for live in {id(item.live): item.live for item in items}.values():
            live.notify()


def _lose(live: Live, error: Exception) -> None:
    live.lost = True
    if isinstance(error, Conflict) and live.task is not None:
        live.task.cancel()  # another server has taken the turn over
    with contextlib.suppress(RuntimeError):
        live.notify()
