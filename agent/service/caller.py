"""Who is calling, whether from an allowed place, and whether too often. FastAPI dependencies and one guard.

Knows headers and keys; knows no session.
"""

from __future__ import annotations

import time
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from foveate.agent.listening import is_loopback
from foveate.agent.service import keys
from foveate.agent.service.core import Core
from foveate.agent.service.problems import Problem

_bearer = HTTPBearer(auto_error=False, description="A key that `foveate keys add NAME` has printed.")
_KEPT = 10_000
SAFE = ("GET", "HEAD", "OPTIONS")


class Rates:
    """A token bucket for each caller: `per_minute` on average, as many at once."""

    def __init__(self, per_minute: int) -> None:
        self._rate, self._room = per_minute / 60, float(per_minute)
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, caller: str) -> None:
        """Raises Problem when the bucket is empty."""
        now = time.monotonic()
        left, at = self._left.get(caller, (self._room, now))
        left = min(self._room, left + (now - at) * self._rate)
        if left < 1:
            wait = str(int((1 - left) / self._rate) + 1)
            raise Problem("rate", f"Wait {wait} seconds, then go on more slowly.", {"Retry-After": wait})
        if len(self._left) >= _KEPT:
            self._left.clear()
        self._left[caller] = (left - 1, now)


def core_of(request: Request) -> Core:
    """The running server's parts."""
    core: Core = request.app.state.core
    return core


async def owner_of(
    request: Request, core: Annotated[Core, Depends(core_of)], given: Annotated[object, Depends(_bearer)]
) -> str:
    """The caller's id. Raises Problem without a valid key, once there are keys."""
    check_place(request, core)
    owner = await _owner(core, str(getattr(given, "credentials", "")))
    request.state.owner = owner
    request.app.state.rates.take(owner)
    return owner


async def _owner(core: Core, key: str) -> str:
    if not await keys.any_key(core.database):
        if core.settings.loopback:
            return keys.LOCAL
        raise Problem("no-key", "This server has no keys and answers nobody; its operator must add one.")
    owner = await keys.owner_of(core.database, key) if key else None
    if owner is None:
        said = "The key is wrong or revoked." if key else "Send a key."
        raise Problem(
            "no-key", f"{said} Header: Authorization: Bearer fov_...", {"WWW-Authenticate": "Bearer"}
        )
    return owner


def check_place(request: Request, core: Core) -> None:
    """Refuses names the server is not called by (DNS rebinding) and changes that other pages ask for."""
    host = request.headers.get("host", "")
    if not _own_name(host, core):
        raise Problem(
            "not-allowed", "The Host header names another server; start this one with --allow-host."
        )
    origin = request.headers.get("origin")
    if origin and request.method not in SAFE and urlsplit(origin).netloc.lower() != host.lower():
        raise Problem("not-allowed", "Pages of other sites may not use this server.")


def _own_name(host: str, core: Core) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return False
    settings = core.settings
    return is_loopback(name) or name in (settings.host.lower(), *map(str.lower, settings.hosts))


Caller = Annotated[str, Depends(owner_of)]
TheCore = Annotated[Core, Depends(core_of)]
