"""Signs of life of a server, and turns without a living server taken up again.

Knows the ledger and how a turn is begun; knows no HTTP.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

from foveate.agent.service.database import Row
from foveate.agent.service.ledger import Ledger
from foveate.agent.service.live import Live
from foveate.agent.service.problems import Problem, problem_of
from foveate.agent.service.questions import Question
from foveate.agent.service.watch import Watch
from foveate.agent.state import AgentState

if TYPE_CHECKING:
    from foveate.agent.service.turns import Turns

BEAT = 2.0
"""Seconds between two signs of life of a server."""
DEAD = 10.0
"""Seconds without one after which another server takes its turns over."""
RESUMES = 3
"""How often a turn is taken up again before it is given up: it may be what kills its servers."""


class Upkeep:
    """Of the turns of one server."""

    def __init__(self, turns: Turns, ledger: Ledger, watch: Watch) -> None:
        self._turns, self._ledger, self._watch = turns, ledger, watch

    async def first(self) -> None:
        """Signs, and takes up what was interrupted."""
        await self._ledger.beat(self._turns.server)
        await self._take_over()

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(BEAT)
            try:
                await self._look_around()
            except Exception as error:
                self._watch.failure("upkeep", error)

    async def _look_around(self) -> None:
        if self._ledger.database.shared:
            await self._ledger.beat(self._turns.server)
        for row in await self._ledger.running(self._turns.server):
            if row["cancel"]:
                self._turns.cancel_here(row["session"], row["number"])
        await self._take_over()

    async def _take_over(self) -> None:
        """Turns of servers that are gone, and of this one's own that nobody runs."""
        shared = self._ledger.database.shared
        alive = await self._ledger.live_servers(time.time() - DEAD) if shared else set()
        for row in await self._ledger.running():
            mine = row["server"] == self._turns.server
            forgotten = mine and not self._turns.knows(row["session"], row["number"])
            if forgotten or (not mine and row["server"] not in alive):
                await self._resume(row)

    async def _resume(self, row: Row) -> None:
        session, number = row["session"], row["number"]
        if not await self._ledger.claim(session, number, row["server"], self._turns.server):
            return
        last = await self._ledger.last_event(session, number)
        live = Live(session, number, self._turns.server, seq=last, cancelled=bool(row["cancel"]))
        if await self._ledger.starts(session, number) > RESUMES:
            why = "Its server died each time it was answered; ask again, with a smaller image perhaps."
            self._interrupted(live, Problem("internal", why))
            return
        try:
            given = await self._left_off(session, number, row)
        except Exception as error:
            self._watch.failure("resume", error)
            self._interrupted(live, problem_of(error))
            return
        owner = f"resumed {session}"
        self._turns.entered(owner)
        self._turns.begin(live, owner, given, resumed=True)

    def _interrupted(self, live: Live, problem: Problem) -> None:
        self._turns.writer.put(live, "error", problem.document())
        self._turns.writer.end(live, "interrupted", None, json.dumps(problem.document()))
        self._watch.turn_ended("interrupted")

    async def _left_off(self, session: str, number: int, row: Row) -> AgentState | None:
        """None to go on from the thread's last checkpoint; the question anew when it never had one."""
        saved = await self._turns.agent.graph.aget_state(self._turns.config(session))
        if saved.metadata is not None and saved.metadata.get("turn") == number:
            return None
        return await self._turns.input(session, Question.model_validate(row["request"]))
