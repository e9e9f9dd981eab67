"""What the service remembers besides conversations: keys, sessions, their images, turns and events.

One method, one transaction. Every question that a caller can ask names its owner, so that nobody's rows
reach anybody else. Knows no HTTP and no graph.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from foveate.agent.service.database import Database, Row, Statement

RUNNING = "running"
SCHEMA = [
    """CREATE TABLE IF NOT EXISTS api_keys (id TEXT PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL,
       created DOUBLE PRECISION NOT NULL, revoked DOUBLE PRECISION)""",
    """CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, owner TEXT NOT NULL, origin TEXT NOT NULL,
       created DOUBLE PRECISION NOT NULL, updated DOUBLE PRECISION NOT NULL, deleting INTEGER NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS sessions_of_owner ON sessions (owner, updated)",
    """CREATE TABLE IF NOT EXISTS session_images (session TEXT NOT NULL, number INTEGER NOT NULL,
       image TEXT NOT NULL, about TEXT NOT NULL, PRIMARY KEY (session, number), UNIQUE (session, image))""",
    "CREATE INDEX IF NOT EXISTS sessions_of_image ON session_images (image)",
    """CREATE TABLE IF NOT EXISTS turns (session TEXT NOT NULL, number INTEGER NOT NULL, status TEXT NOT NULL,
       request TEXT NOT NULL, server TEXT NOT NULL, cancel INTEGER NOT NULL,
       created DOUBLE PRECISION NOT NULL, ended DOUBLE PRECISION, result TEXT, problem TEXT,
       PRIMARY KEY (session, number))""",
    "CREATE UNIQUE INDEX IF NOT EXISTS one_running_turn ON turns (session) WHERE status = 'running'",
    """CREATE TABLE IF NOT EXISTS events (session TEXT NOT NULL, turn INTEGER NOT NULL, seq INTEGER NOT NULL,
       kind TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (session, turn, seq))""",
    "CREATE TABLE IF NOT EXISTS servers (id TEXT PRIMARY KEY, beat DOUBLE PRECISION NOT NULL)",
    """CREATE TABLE IF NOT EXISTS chats (digest TEXT NOT NULL, owner TEXT NOT NULL, session TEXT NOT NULL,
       turns INTEGER NOT NULL, PRIMARY KEY (owner, digest))""",
]


class Ledger:
    """The tables of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def setup(self) -> None:
        """Makes the tables that are missing."""
        async with self.database.lock("schema"):
            await self.database.run(*((sql, ()) for sql in SCHEMA))

    # sessions

    async def add_session(self, session: str, owner: str, origin: str) -> None:
        now = time.time()
        await self.database.run(
            ("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, 0)", (session, owner, origin, now, now))
        )

    async def session(self, owner: str, session: str) -> Row | None:
        rows = await self.database.fetch(
            "SELECT * FROM sessions WHERE id = ? AND owner = ? AND deleting = 0", session, owner
        )
        return rows[0] if rows else None

    async def exists(self, session: str) -> bool:
        sql = "SELECT 1 AS one FROM sessions WHERE id = ? AND deleting = 0"
        return bool(await self.database.fetch(sql, session))

    async def sessions(self, owner: str, limit: int, before: float) -> list[Row]:
        """The newest first."""
        return await self.database.fetch(
            "SELECT sessions.*, (SELECT count(*) FROM turns WHERE session = sessions.id) AS turns,"
            " (SELECT count(*) FROM session_images WHERE session = sessions.id) AS images"
            " FROM sessions WHERE owner = ? AND deleting = 0 AND updated < ? ORDER BY updated DESC LIMIT ?",
            owner,
            before,
            limit,
        )

    async def count_sessions(self, owner: str) -> int:
        rows = await self.database.fetch("SELECT count(*) AS n FROM sessions WHERE owner = ?", owner)
        return int(rows[0]["n"])

    async def mark_deleting(self, session: str) -> None:
        """From now on nobody sees the session; a server that dies while deleting it is finished later."""
        await self.database.run(("UPDATE sessions SET deleting = 1 WHERE id = ?", (session,)))

    async def deleting(self) -> list[str]:
        return [row["id"] for row in await self.database.fetch("SELECT id FROM sessions WHERE deleting = 1")]

    async def forget_session(self, session: str) -> None:
        """Removes every row of a session."""
        tables = ("events", "turns", "session_images", "chats")
        rows: list[Statement] = [(f"DELETE FROM {table} WHERE session = ?", (session,)) for table in tables]
        await self.database.run(*rows, ("DELETE FROM sessions WHERE id = ?", (session,)))

    # images

    async def add_image(self, session: str, image: str, about: dict[str, Any]) -> None:
        """Numbered from 1 in the session; an image that is there already stays as it is."""
        await self.database.run(
            (
                "INSERT INTO session_images SELECT ?, coalesce(max(number), 0) + 1, ?, ? FROM session_images"
                " WHERE session = ? ON CONFLICT DO NOTHING",
                (session, image, json.dumps(about), session),
            )
        )

    async def images(self, session: str) -> list[Row]:
        """In order of number."""
        rows = await self.database.fetch(
            "SELECT number, image, about FROM session_images WHERE session = ? ORDER BY number", session
        )
        return [{**row, "about": json.loads(row["about"])} for row in rows]

    async def drop_images(self, session: str) -> None:
        await self.database.run(("DELETE FROM session_images WHERE session = ?", (session,)))

    async def image_is_used(self, image: str) -> bool:
        return bool(
            await self.database.fetch("SELECT 1 AS one FROM session_images WHERE image = ? LIMIT 1", image)
        )

    # turns

    async def begin_turn(self, session: str, request: dict[str, Any], server: str) -> int:
        """The number of the new running turn, 0 when the session is gone. Raises Conflict when one runs."""
        counts = await self.database.run(
            (
                "INSERT INTO turns SELECT ?, coalesce(max(number), 0) + 1, 'running', ?, ?, 0, ?, NULL, NULL,"
                " NULL FROM turns WHERE session = ?"
                " HAVING EXISTS (SELECT 1 FROM sessions WHERE id = ? AND deleting = 0)",
                (session, json.dumps(request), server, time.time(), session, session),
            ),
            ("UPDATE sessions SET updated = ? WHERE id = ?", (time.time(), session)),
        )
        if counts[0] == 0:
            return 0
        rows = await self.database.fetch("SELECT max(number) AS n FROM turns WHERE session = ?", session)
        return int(rows[0]["n"])

    async def turn(self, session: str, number: int) -> Row | None:
        sql = "SELECT * FROM turns WHERE session = ? AND number = ?"
        rows = await self.database.fetch(sql, session, number)
        return _turn(rows[0]) if rows else None

    async def turns(self, session: str) -> list[Row]:
        """Oldest first."""
        sql = "SELECT * FROM turns WHERE session = ? ORDER BY number"
        return [_turn(row) for row in await self.database.fetch(sql, session)]

    async def is_running(self, session: str) -> bool:
        sql = "SELECT 1 AS one FROM turns WHERE session = ? AND status = 'running'"
        return bool(await self.database.fetch(sql, session))

    async def running(self, server: str | None = None) -> list[Row]:
        """Running turns of one server, or of all."""
        rows = await self.database.fetch("SELECT * FROM turns WHERE status = 'running'")
        return [_turn(row) for row in rows if server is None or row["server"] == server]

    async def claim(self, session: str, number: int, dead: str, server: str) -> bool:
        """Takes a running turn over from a server that is gone; True for the one that gets it."""
        sql = (
            "UPDATE turns SET server = ? WHERE session = ? AND number = ? AND server = ?"
            " AND status = 'running'"
        )
        counts = await self.database.run((sql, (server, session, number, dead)))
        return counts[0] == 1

    async def ask_to_cancel(self, session: str, number: int) -> bool:
        """True the first time, while the turn runs."""
        sql = (
            "UPDATE turns SET cancel = 1 WHERE session = ? AND number = ? AND cancel = 0"
            " AND status = 'running'"
        )
        return (await self.database.run((sql, (session, number))))[0] == 1

    # events

    async def write_events(self, rows: Iterable[Sequence[Any]], endings: Iterable[Statement] = ()) -> None:
        """(session, turn, seq, kind, JSON) rows and the ends of turns, in one transaction."""
        sql, ends = "INSERT INTO events VALUES (?, ?, ?, ?, ?)", list(endings)
        await self.database.run(*((sql, row) for row in rows), *ends, durable=bool(ends))

    async def events(self, session: str, turn: int, after: int) -> list[Row]:
        return await self.database.fetch(
            "SELECT seq, kind, data FROM events WHERE session = ? AND turn = ? AND seq > ? ORDER BY seq",
            session,
            turn,
            after,
        )

    async def last_event(self, session: str, turn: int) -> int:
        sql = "SELECT coalesce(max(seq), 0) AS n FROM events WHERE session = ? AND turn = ?"
        return int((await self.database.fetch(sql, session, turn))[0]["n"])

    async def starts(self, session: str, turn: int) -> int:
        """How often the turn has been begun."""
        sql = "SELECT count(*) AS n FROM events WHERE session = ? AND turn = ? AND kind = 'turn_start'"
        return int((await self.database.fetch(sql, session, turn))[0]["n"])

    # servers

    async def beat(self, server: str) -> None:
        sql = "INSERT INTO servers VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET beat = excluded.beat"
        await self.database.run((sql, (server, time.time())))

    async def live_servers(self, since: float) -> set[str]:
        rows = await self.database.fetch("SELECT id FROM servers WHERE beat >= ?", since)
        return {row["id"] for row in rows}

    async def forget_server(self, server: str) -> None:
        await self.database.run(("DELETE FROM servers WHERE id = ?", (server,)))


def ending(
    session: str, number: int, server: str, status: str, result: str | None, problem: str | None
) -> Statement:
    """The statement that ends a turn, as long as it is still this server's."""
    return (
        "UPDATE turns SET status = ?, ended = ?, result = ?, problem = ?"
        " WHERE session = ? AND number = ? AND server = ? AND status = 'running'",
        (status, time.time(), result, problem, session, number, server),
    )


def _turn(row: Row) -> Row:
    read = {key: json.loads(row[key]) if row[key] else None for key in ("request", "result", "problem")}
    return {**row, **read}
