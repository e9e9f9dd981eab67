"""One small face for SQLite and PostgreSQL: statements in one transaction, rows as dicts, locks by name.

SQL is written once, with ? for values, in what both understand. Knows no table (`ledger.py` does). The
checkpointer of LangGraph that lives in the same database is made here too, and kept short.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver

Row = dict[str, Any]
Statement = tuple[str, Sequence[Any]]


class Conflict(Exception):
    """A row that breaks a uniqueness rule; nothing of the transaction was kept."""


class Database(Protocol):
    """`shared` says whether other server processes may use it at the same time."""

    shared: bool
    saver: BaseCheckpointSaver[Any]

    async def fetch(self, sql: str, *values: Any) -> list[Row]:
        """The rows of a query."""
        ...

    async def run(self, *statements: Statement, durable: bool = True) -> list[int]:
        """All statements in one transaction; how many rows each touched. Raises Conflict.

        Without `durable` a loss of power, though not of the process, may take the last moment's."""
        ...

    def lock(self, name: str) -> Any:
        """An asynchronous context manager that one holder at a time has, of all server processes."""
        ...

    async def prune(self, thread: str) -> None:
        """Forgets all but the newest checkpoint of a thread."""
        ...

    async def erase(self) -> None:
        """Makes what was deleted unreadable in the database's files, as far as that is ours to do."""
        ...

    async def close(self) -> None: ...


class Locks:
    """Locks by name within this process; a name that nobody holds takes no memory."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def __call__(self, name: str) -> AsyncIterator[None]:
        lock, users = self._held.get(name, (asyncio.Lock(), 0))
        self._held[name] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._held.pop(name)
            if users > 1:
                self._held[name] = (lock, users - 1)


class SqliteDatabase:
    """A file in write-ahead mode with one writing thread; one server process at a time."""

    shared = False
    saver: BaseCheckpointSaver[Any]

    def __init__(self, path: Path) -> None:
        self.lock = Locks()
        self._thread = ThreadPoolExecutor(1, "foveate-database")
        self._path = path

    @classmethod
    async def open(cls, path: Path) -> SqliteDatabase:
        database = cls(path)
        await asyncio.get_running_loop().run_in_executor(database._thread, database._connect)
        return database

    def _connect(self) -> None:
        from foveate.agent.service.saver import ThreadedSqliteSaver

        self._db = _connection(self._path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._checkpoints = _connection(self._path)
        saver = ThreadedSqliteSaver(self._checkpoints, self._thread, strict())
        saver.setup()
        self.saver = saver
        # a killed process loses nothing of it; turns are written through to the disk
        self._checkpoints.execute("PRAGMA synchronous=NORMAL")

    async def fetch(self, sql: str, *values: Any) -> list[Row]:
        rows: list[Row] = await self._call(lambda db: [dict(row) for row in db.execute(sql, values)])
        return rows

    async def run(self, *statements: Statement, durable: bool = True) -> list[int]:
        counts: list[int] = await self._call(lambda db: _transaction(db, statements, durable))
        return counts

    async def prune(self, thread: str) -> None:
        newest = "(SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ?)"
        await self.run(
            (f"DELETE FROM writes WHERE thread_id = ? AND checkpoint_id < {newest}", (thread, thread)),
            (f"DELETE FROM checkpoints WHERE thread_id = ? AND checkpoint_id < {newest}", (thread, thread)),
            durable=False,
        )

    async def erase(self) -> None:
        # with secure_delete the pages are zeroed, and the log with the old ones is emptied here
        await self._call(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())

    async def close(self) -> None:
        for connection in (self._checkpoints, self._db):
            await self._call(lambda _, open_one=connection: open_one.close())
        self._thread.shutdown()

    async def _call(self, work: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(self._db))


def _connection(path: Path, **options: Any) -> sqlite3.Connection:
    connection: sqlite3.Connection = sqlite3.connect(path, timeout=30, check_same_thread=False, **options)
    connection.execute("PRAGMA secure_delete=ON")
    return connection


def _transaction(db: sqlite3.Connection, statements: Sequence[Statement], durable: bool) -> list[int]:
    db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    with _begun(db):
        try:
            return [db.execute(sql, tuple(values)).rowcount for sql, values in statements]
        except sqlite3.IntegrityError as error:
            raise Conflict(str(error)) from None


@contextmanager
def _begun(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


class PostgresDatabase:
    """A pool of connections to a PostgreSQL that several server processes share."""

    shared = True

    def __init__(self, pool: Any, locks: Any, saver: BaseCheckpointSaver[Any]) -> None:
        self._pool, self._locks, self.saver = pool, locks, saver

    @classmethod
    async def open(cls, url: str) -> PostgresDatabase:
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
        from psycopg.rows import dict_row
        from psycopg_pool import AsyncConnectionPool

        options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
        pool: Any = AsyncConnectionPool(url, min_size=1, max_size=12, open=False, timeout=10, kwargs=options)
        # of their own: whoever holds a lock still needs a connection to work with
        locks: Any = AsyncConnectionPool(
            url, min_size=0, max_size=12, open=False, timeout=60, kwargs={"autocommit": True}
        )
        await pool.open(wait=True, timeout=30)
        await locks.open()
        saver = AsyncPostgresSaver(pool, serde=strict())
        database = cls(pool, locks, saver)
        async with database.lock("schema"):
            await saver.setup()
        return database

    async def fetch(self, sql: str, *values: Any) -> list[Row]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(sql.replace("?", "%s"), values)
            return list(await cursor.fetchall())

    async def run(self, *statements: Statement, durable: bool = True) -> list[int]:
        from psycopg.errors import IntegrityError

        counts = []
        try:
            async with self._pool.connection() as connection, connection.transaction():
                if not durable:
                    await connection.execute("SET LOCAL synchronous_commit = off")
                for sql, values in statements:
                    cursor = await connection.execute(sql.replace("?", "%s"), values)
                    counts.append(cursor.rowcount)
        except IntegrityError as error:
            raise Conflict(type(error).__name__) from None
        return counts

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[None]:
        # the session's lock, not a transaction's: an open transaction would hold up CREATE INDEX CONCURRENTLY
        async with self._locks.connection() as connection:
            await connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 7))", (name,))
            try:
                yield
            finally:
                await connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 7))", (name,))

    async def prune(self, thread: str) -> None:
        await self.saver.aprune([thread], strategy="keep_latest")

    async def erase(self) -> None:
        """PostgreSQL's own vacuum does it in time."""

    async def close(self) -> None:
        await self._pool.close()
        await self._locks.close()


def strict() -> Any:
    """A serializer that makes only LangChain's messages and plain values of what a database holds."""
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    return JsonPlusSerializer(allowed_msgpack_modules=None)


async def open_database(url: str | None, folder: Path) -> Database:
    """The PostgreSQL of a URL, or the SQLite file in a folder."""
    if url is None:
        return await SqliteDatabase.open(folder / "foveate.db")
    return await PostgresDatabase.open(url)
