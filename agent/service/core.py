"""The parts of one running server, opened and closed in order. Knows every part and no route."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from foveate.agent.run import Agent
from foveate.agent.service import keys
from foveate.agent.service.database import Database, Row, open_database
from foveate.agent.service.decode import Decoders
from foveate.agent.service.folders import own_folder
from foveate.agent.service.images import SessionImages
from foveate.agent.service.ledger import Ledger
from foveate.agent.service.problems import Problem
from foveate.agent.service.settings import Settings
from foveate.agent.service.turns import Turns
from foveate.agent.service.watch import Watch
from foveate.tools.imaging.blobs import FolderBlobs
from foveate.tools.imaging.store import ImageStore

MakeAgent = Callable[[Settings, ImageStore, BaseCheckpointSaver[Any]], Agent]
THREADS = 48  # tools, renderings and file work of many sessions wait side by side


@dataclass
class Core:
    """What routes work with."""

    settings: Settings
    database: Database
    ledger: Ledger
    store: ImageStore
    images: SessionImages
    decoders: Decoders
    turns: Turns
    watch: Watch
    drawing: asyncio.Semaphore

    async def new_session(self, owner: str, origin: str = "api") -> str:
        """The id of a new session. Raises Problem."""
        if await self.ledger.count_sessions(owner) >= self.settings.bounds.sessions:
            raise Problem("rate", "You have as many sessions as are allowed; delete some.")
        session = uuid.uuid4().hex
        await self.ledger.add_session(session, owner, origin)
        return session

    async def session(self, owner: str, session: str) -> Row:
        """The session's row. Raises Problem; somebody else's session is as unknown as one that never was."""
        row = await self.ledger.session(owner, session)
        if row is None:
            raise Problem("not-found", "There is no such session of yours; GET /v1/sessions lists them.")
        return row

    async def upload(self, session: str, files: list[IO[bytes]]) -> list[dict[str, Any]]:
        """Opens and stores what was sent. Raises Problem."""
        try:
            images = await self.decoders.open(files)
            made = await self.images.add(session, images)
        except Problem as problem:
            self.watch.uploads.labels(problem.name).inc()
            raise
        self.watch.uploads.labels("ok").inc()
        return made

    async def delete_session(self, session: str) -> None:
        """Ends what runs, then removes rows, checkpoints and images that nobody else has."""
        await self.ledger.mark_deleting(session)
        await self._stopped(session)
        await self.images.drop(session)
        await self.database.saver.adelete_thread(session)
        await self.ledger.forget_session(session)
        await self.database.erase()

    async def _stopped(self, session: str) -> None:
        for _ in range(200):
            open_turns = [row for row in await self.ledger.turns(session) if row["status"] == "running"]
            if not open_turns:
                return
            for row in open_turns:
                with contextlib.suppress(Problem):
                    await self.turns.cancel(session, row["number"])
            await asyncio.sleep(0.05)
        raise Problem("busy", "The session's turn did not end in time; it is hidden now and removed later.")

    async def finish_deletes(self) -> None:
        """Takes up deletions that a crash or a slow turn has left."""
        for session in await self.ledger.deleting():
            with contextlib.suppress(Problem):
                await self.delete_session(session)

    async def tidy(self) -> None:
        """What a crash may have left, looked for once, beside the service."""
        try:
            await self.finish_deletes()
            await self.sweep()
        except Exception as error:
            self.watch.failure("tidy", error)

    async def sweep(self) -> None:
        """Removes blobs that no session has, as a crash between writing and recording leaves them."""
        for blob in await asyncio.to_thread(self.store.list):
            if not await self.ledger.image_is_used(blob):
                await self.images.drop_unused(blob)


class _Threads(ThreadPoolExecutor):
    """Does not wait at the end for a model or a tool that hangs: nobody reads its result any more."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


@asynccontextmanager
async def running(settings: Settings, make_agent: MakeAgent) -> AsyncIterator[Core]:
    """Opens everything, takes up what a crash has left, and closes everything."""
    asyncio.get_running_loop().set_default_executor(_Threads(THREADS, "foveate"))
    with own_folder(settings.data, alone=settings.database is None) as scratch:
        database = await open_database(settings.database, settings.data)
        async with _opened(settings, database, make_agent, scratch) as core:
            yield core


@asynccontextmanager
async def _opened(
    settings: Settings, database: Database, make_agent: MakeAgent, scratch: Path
) -> AsyncIterator[Core]:
    try:
        core = await _assembled(settings, database, make_agent, scratch)
    except BaseException:
        await database.close()
        raise
    upkeep: asyncio.Task[None] | None = None
    try:
        await core.turns.start()
        if not database.shared and settings.images is None:
            await asyncio.to_thread(_sweep_parts, core.store)
        upkeep = asyncio.create_task(core.tidy())
        yield core
    finally:
        if upkeep is not None:
            upkeep.cancel()
        await core.turns.stop()
        await core.decoders.close()
        await database.close()


async def _assembled(settings: Settings, database: Database, make_agent: MakeAgent, scratch: Path) -> Core:
    ledger, watch = Ledger(database), Watch()
    await ledger.setup()
    store = ImageStore.at(settings.images or str(settings.data / "images"))
    agent = await asyncio.to_thread(make_agent, settings, store, database.saver)
    images = SessionImages(store, ledger)
    return Core(
        settings=settings,
        database=database,
        ledger=ledger,
        store=store,
        images=images,
        decoders=Decoders(settings.bounds, scratch),
        turns=Turns(agent, ledger, images, settings.bounds, watch),
        watch=watch,
        drawing=asyncio.Semaphore(4),
    )


def agent_of(settings: Settings, store: ImageStore, saver: BaseCheckpointSaver[Any]) -> Agent:
    """The agent that the settings describe."""
    return Agent(
        settings.model,
        settings.base_url,
        settings.grounder,
        settings.use_tools,
        settings.budget,
        store,
        checkpointer=saver,
        decoding=settings.decoding,
        checks=settings.checks,
    )


async def guarded(core: Core) -> bool:
    """Whether callers need a key."""
    return await keys.any_key(core.database)


def _sweep_parts(store: ImageStore) -> None:
    if isinstance(store.blobs, FolderBlobs):
        store.blobs.sweep()
