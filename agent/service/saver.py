"""LangGraph's SQLite checkpointer, made safe against cancellation.

Its writes are several statements on one shared connection; a task cancelled between them would leave a
transaction open, and the database locked for everybody. Here a write that has begun is finished.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

T = TypeVar("T")


class SteadySqliteSaver(AsyncSqliteSaver):
    """`settled` waits for the writes that are still going on."""

    def __init__(self, connection: Any, serde: Any = None) -> None:
        super().__init__(connection, serde=serde)
        self._writing: set[asyncio.Task[Any]] = set()

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return await self._whole(super().aput(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await self._whole(super().aput_writes(config, writes, task_id, task_path))

    async def adelete_thread(self, thread_id: str) -> None:
        await self._whole(super().adelete_thread(thread_id))

    async def settled(self) -> None:
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def _whole(self, write: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(self._or_undone(write))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return await asyncio.shield(task)

    async def _or_undone(self, write: Coroutine[Any, Any, T]) -> T:
        try:
            return await write
        except Exception:
            async with self.lock:  # a full disk, say: nothing half-written may wait for the next commit
                await self.conn.rollback()
            raise
