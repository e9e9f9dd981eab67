"""LangGraph's SQLite checkpointer on an event loop, one step to the database's thread for each call.

The asynchronous one of LangGraph takes a step for every statement, and a task that is cancelled between two
of them leaves a transaction open and the database locked. Here a call is one piece of work that is finished
whatever becomes of its caller.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.sqlite import SqliteSaver

T = TypeVar("T")


class ThreadedSqliteSaver(SqliteSaver):
    """`thread` is an executor of one thread, which has the connection to itself."""

    def __init__(self, connection: sqlite3.Connection, thread: Executor, serde: Any = None) -> None:
        super().__init__(connection, serde=serde)
        self._thread = thread

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await self._call(lambda: self.get_tuple(config))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return await self._call(lambda: self.put(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await self._call(lambda: self.put_writes(config, writes, task_id, task_path))

    async def adelete_thread(self, thread_id: str) -> None:
        await self._call(lambda: self.delete_thread(thread_id))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        for found in await self._call(
            lambda: list(self.list(config, filter=filter, before=before, limit=limit))
        ):
            yield found

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: self._whole(work))

    def _whole(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except Exception:
            self.conn.rollback()  # a full disk, say: nothing half-written may wait for the next commit
            raise
