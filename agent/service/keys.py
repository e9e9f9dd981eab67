"""API keys: made once, shown once, kept as a hash.

A key is "fov_ID_SECRET" with 32 random bytes in its secret, so a plain SHA-256 cannot be searched backwards.
Knows the ledger's table and no HTTP.
"""

from __future__ import annotations

import hmac
import secrets
import time
from hashlib import sha256

from foveate.agent.service.database import Database, Row

LOCAL = "local"
"""The owner of everything on a loopback server without keys."""


async def make_key(database: Database, name: str) -> str:
    """A new key for somebody; it cannot be shown again."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    await database.run(
        ("INSERT INTO api_keys VALUES (?, ?, ?, ?, NULL)", (key_id, name[:80], _hash(secret), time.time()))
    )
    return f"fov_{key_id}_{secret}"


async def list_keys(database: Database) -> list[Row]:
    """Id, name, when made and when revoked; oldest first."""
    return await database.fetch("SELECT id, name, created, revoked FROM api_keys ORDER BY created")


async def revoke_key(database: Database, key_id: str) -> bool:
    """True when there was such a key that was not revoked."""
    sql = "UPDATE api_keys SET revoked = ? WHERE id = ? AND revoked IS NULL"
    return (await database.run((sql, (time.time(), key_id))))[0] == 1


async def any_key(database: Database) -> bool:
    """Whether a key was ever made; from then on the server is closed, even when all are revoked."""
    return bool(await database.fetch("SELECT 1 AS one FROM api_keys LIMIT 1"))


async def owner_of(database: Database, key: str) -> str | None:
    """The id of the key's owner, or None for a key that is wrong or revoked."""
    parts = key.split("_", 2)
    if len(parts) != 3 or parts[0] != "fov" or "\0" in key:
        return None
    rows = await database.fetch("SELECT hash FROM api_keys WHERE id = ? AND revoked IS NULL", parts[1])
    known = rows[0]["hash"] if rows else _hash("")
    return parts[1] if hmac.compare_digest(known, _hash(parts[2])) and rows else None


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
