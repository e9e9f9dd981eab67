"""Turns: admitted, recorded, run on the agent's graph, ended; taken up again after a crash.

A turn is recorded before its caller hears of it, and ends in one transaction with its last event. Knows the
agent and the ledger; knows no HTTP.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from typing import Any

from langchain_core.runnables import RunnableConfig

from foveate.agent.events import Event
from foveate.agent.run import Agent
from foveate.agent.service.database import Conflict
from foveate.agent.service.images import SessionImages
from foveate.agent.service.ledger import Ledger
from foveate.agent.service.live import EventWriter, Live
from foveate.agent.service.problems import Problem, problem_of
from foveate.agent.service.questions import Question, opened
from foveate.agent.service.settings import Bounds
from foveate.agent.service.upkeep import Upkeep
from foveate.agent.service.watch import TurnWatch, Watch
from foveate.agent.state import AgentState
from foveate.agent.stream import Translator, aevents

SOON = {"Retry-After": "5"}


class Turns:
    """Of one server process."""

    def __init__(
        self, agent: Agent, ledger: Ledger, images: SessionImages, bounds: Bounds, watch: Watch
    ) -> None:
        self.agent, self._ledger, self._images = agent, ledger, images
        self._bounds, self._watch = bounds, watch
        self.server = uuid.uuid4().hex
        self.writer = EventWriter(ledger)
        self._live: dict[tuple[str, int], Live] = {}
        self._per_owner: Counter[str] = Counter()
        self._recording: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins to sign, to write events and to take up what was interrupted."""
        upkeep = Upkeep(self, self._ledger, self._watch)
        self._tasks = [asyncio.create_task(self.writer.run())]
        await upkeep.first()
        self._tasks.append(asyncio.create_task(upkeep.run()))

    async def stop(self) -> None:
        """Leaves running turns where they are: the next start takes them up."""
        running = [live.task for live in self._live.values() if live.task is not None]
        for task in [*running, *self._tasks]:
            task.cancel()
        await asyncio.gather(*running, *self._tasks, return_exceptions=True)
        try:
            await self._ledger.forget_server(self.server)
        except Exception as error:  # the store may be gone already, and the end must come all the same
            self._watch.failure("stop", error)

    async def ask(self, owner: str, session: str, question: Question, *, tokens: bool = True) -> Live:
        """Admits and records a question and begins to answer it, with events of tokens or without.
        Raises Problem."""
        self._admit(owner)
        self.entered(owner)
        self._recording[session] += 1
        try:
            given = await self._given(session, question)
            live = await self._recorded(session, question, tokens)
            self.begin(live, owner, given)
        except BaseException:
            self.left(owner)
            raise
        finally:
            self._recording -= Counter([session])
        return live

    def live(self, session: str, number: int) -> Live | None:
        """The turn, if this process is answering it."""
        return self._live.get((session, number))

    def knows(self, session: str, number: int) -> bool:
        """Whether this process answers the turn, or is about to."""
        return (session, number) in self._live or session in self._recording

    async def cancel(self, session: str, number: int) -> None:
        """Asks for the end of a turn, wherever it runs. Raises Problem when it has ended or was asked."""
        if not await self._ledger.ask_to_cancel(session, number):
            row = await self._ledger.turn(session, number)
            status = row["status"] if row else "gone"
            said = "is being cancelled already" if status == "running" else f"has ended ({status})"
            raise Problem("ended", f"Turn {number} {said}; there is nothing to cancel.", turn_status=status)
        self.cancel_here(session, number)

    @property
    def running(self) -> int:
        return len(self._live)

    # admission

    def _admit(self, owner: str) -> None:
        if len(self._live) >= self._bounds.running:
            raise Problem("overloaded", "All places are taken; ask again in some seconds.", SOON)
        if self._per_owner[owner] >= self._bounds.running_per_key:
            raise Problem("rate", "Too many of your questions run at once; wait for one.", SOON)

    def entered(self, owner: str) -> None:
        """Counts a turn of an owner; `left` takes it off again."""
        self._per_owner[owner] += 1

    def left(self, owner: str) -> None:
        self._per_owner[owner] -= 1
        if self._per_owner[owner] <= 0:
            del self._per_owner[owner]

    async def _given(self, session: str, question: Question) -> AgentState:
        """The graph's input; everything a client can get wrong is refused here. Raises Problem."""
        if await self._ledger.is_running(session):
            raise _busy()
        return await self.input(session, question)

    async def input(self, session: str, question: Question) -> AgentState:
        """The graph's input for a question in a session. Raises Problem."""
        rows = await self._ledger.images(session)
        known = (await self.agent.graph.aget_state(self.config(session))).values
        return await asyncio.to_thread(opened, self.agent, self._images, rows, known, question)

    async def _recorded(self, session: str, question: Question, tokens: bool) -> Live:
        request = question.model_dump(mode="json")
        try:
            number = await self._ledger.begin_turn(session, request, self.server)
        except Conflict:
            raise _busy() from None
        if number == 0:
            raise Problem("not-found", "The session was deleted.")
        return Live(session, number, self.server, tokens)

    # running

    def config(self, session: str, number: int = 0) -> RunnableConfig:
        """The graph's configuration for a session; the turn's number goes into its checkpoints."""
        return {**self.agent.config(session), "metadata": {"turn": number}}

    def begin(self, live: Live, owner: str, given: AgentState | None, *, resumed: bool = False) -> None:
        """Answers a recorded turn; `given` is None to go on from the thread's last checkpoint."""
        self._live[(live.session, live.number)] = live
        live.task = asyncio.create_task(self._run(live, owner, given, resumed))

    async def _run(self, live: Live, owner: str, given: AgentState | None, resumed: bool) -> None:
        begin = time.perf_counter()
        self.writer.put(live, "turn_start", {"turn": live.number, "resumed": resumed})
        spans = self._watch.turn(self.agent.model_name)
        try:
            if live.cancelled:
                raise asyncio.CancelledError
            result = await self._answered(live, given, begin, spans)
            status = "failed" if result["stopped_by"] == "model_error" else "done"
            await self._end(live, status, result, None)
        except asyncio.CancelledError:
            if not live.cancelled:
                raise  # the server stops; the turn stays open in the database
            await self._end(live, "cancelled", None, None)
        except Exception as error:
            self._watch.failure("turn", error)
            await self._end(live, "failed", None, problem_of(error).document())
        finally:
            spans.close()
            self.left(owner)
            self._live.pop((live.session, live.number), None)

    async def _answered(
        self, live: Live, given: AgentState | None, begin: float, spans: TurnWatch
    ) -> dict[str, Any]:
        translator = Translator()
        config = self.config(live.session, live.number)
        async for event in aevents(self.agent.graph, given, config, translator, tokens=live.tokens):
            spans.event(event)
            self._tell(live, event)
        if translator.state is None:  # resumed after the graph's own end
            translator.state = (await self.agent.graph.aget_state(config)).values  # type: ignore[assignment]
        answer = self.agent.answered(translator, begin)
        assert answer.result is not None
        told = {**answer.data, "turn": live.number}
        self.writer.put(live, "answer", told)
        return {**told, "replies": answer.result.own_replies()}

    def _tell(self, live: Live, event: Event) -> None:
        if event.kind == "view":
            live.views[event.data["name"]] = event.data
        if event.kind == "box":
            live.evidence[event.data["id"]] = event.data
        self.writer.put(live, event.kind, event.data)

    async def _end(
        self, live: Live, status: str, result: dict[str, Any] | None, problem: dict[str, Any] | None
    ) -> None:
        if problem is not None:
            self.writer.put(live, "error", problem)
        try:
            await self._ledger.database.prune(live.session)
        except Exception as error:  # a thread that grows by one checkpoint is no reason to fail
            self._watch.failure("prune", error)
        self.writer.end(live, status, _json(result), _json(problem))
        while not (live.ended or live.lost):
            await live.changed.wait()
        self._watch.turn_ended(status)

    def cancel_here(self, session: str, number: int) -> None:
        """Ends a turn, if this process is answering it."""
        live = self.live(session, number)
        if live is not None and live.task is not None and not live.cancelled:
            live.cancelled = True
            # not before the task has begun: one that never began would never end either
            asyncio.get_running_loop().call_soon(live.task.cancel)


def _busy() -> Problem:
    return Problem("busy", "This session answers a question; wait for its end or cancel it, then ask again.")


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value)
