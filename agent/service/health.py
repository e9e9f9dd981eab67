"""Liveness, readiness and metrics. Readiness asks every part to do what it is for, not whether it exists."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from foveate.agent.service.caller import Caller, TheCore, check_place, core_of
from foveate.agent.service.core import Core
from foveate.agent.service.problems import Problem
from foveate.agent.service.schemas import HealthOut

KEPT = 3.0
"""Seconds for which an answer of readiness stands, so that asking often costs nothing."""
PATIENCE = 5.0
router = APIRouter(tags=["operation"])


@router.get("/healthz", response_model=HealthOut)
async def healthz() -> dict[str, Any]:
    """The process runs and its event loop turns."""
    return {"ok": True}


@router.get("/readyz", response_model=HealthOut, responses={503: {"model": HealthOut}})
async def readyz(request: Request, core: Annotated[Core, Depends(core_of)]) -> Response:
    """Whether a question asked now can be answered: database, image store, model."""
    check_place(request, core)
    state = request.app.state
    at, parts = getattr(state, "ready", (0.0, {}))
    if time.monotonic() - at > KEPT:
        parts = await readiness(core)
        state.ready = (time.monotonic(), parts)
    ok = all(told == "ok" for told in parts.values())
    return JSONResponse({"ok": ok, "parts": parts}, 200 if ok else 503)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(owner: Caller, core: TheCore) -> Response:
    """Prometheus metrics; with a key where the server has keys."""
    return Response(core.watch.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def readiness(core: Core) -> dict[str, str]:
    """Each part: "ok" or what is wrong with it."""
    checks: dict[str, Callable[[], Awaitable[None]]] = {
        "database": lambda: _database(core),
        "store": lambda: asyncio.to_thread(_store, core),
        "model": lambda: asyncio.to_thread(_model, core),
    }
    told = await asyncio.gather(*(_checked(check) for check in checks.values()))
    return dict(zip(checks, told, strict=True))


async def _checked(check: Callable[[], Awaitable[None]]) -> str:
    try:
        await asyncio.wait_for(check(), PATIENCE)
    except TimeoutError:
        return f"no answer within {PATIENCE:g} seconds"
    except Problem as problem:
        return problem.detail
    except Exception as error:
        return f"fails ({type(error).__name__})"
    return "ok"


async def _database(core: Core) -> None:
    await core.ledger.beat(core.turns.server)  # a write: a database that can only be read is not ready


def _store(core: Core) -> None:
    probe = b"foveate readiness " + core.turns.server.encode()
    name = sha256(probe).hexdigest()
    core.store.blobs.write(name, [probe])
    try:
        if core.store.blobs.read(name) != probe:
            raise Problem("store", "the image store gives back something else than was put in")
    finally:
        with contextlib.suppress(KeyError):  # the sweep at a start may come first
            core.store.blobs.remove(name)


def _model(core: Core) -> None:
    """Asks a model server for its models; a model in this process must be loadable."""
    model = core.turns.agent.model
    listing = getattr(model, "root_client", None)
    if listing is not None and core.settings.base_url is not None:
        listing.with_options(timeout=PATIENCE, max_retries=0).models.list()
    loaded = getattr(model, "loaded", None)
    if callable(loaded):
        loaded()
