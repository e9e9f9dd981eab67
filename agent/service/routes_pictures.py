"""PNGs over HTTP: slices, views, evidence, overlays of answers. Each is drawn in a thread, few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from foveate.agent.service import pictures
from foveate.agent.service import schemas as out
from foveate.agent.service.caller import Caller, TheCore
from foveate.agent.service.core import Core
from foveate.agent.service.problems import Problem
from foveate.agent.service.routes import PROBLEMS, Number, SessionId

PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
}
router = APIRouter(prefix="/v1/sessions/{session_id}", responses=PROBLEMS, tags=["pictures"])
Name = Annotated[str, Path(pattern="^[VE][0-9]{1,6}$", description="a name of the session, such as E1")]
Intensity = Annotated[float | None, Query(ge=-1e9, le=1e9)]


@router.get("/images/{number}/slice.png", response_class=Response, responses=PNG)
async def slice_png(
    session_id: SessionId,
    number: Number,
    owner: Caller,
    core: TheCore,
    plane: Annotated[str | None, Query(max_length=20)] = None,
    index: Annotated[int | None, Query(ge=0, le=10**6)] = None,
    center: Intensity = None,
    width: Intensity = None,
    side: Annotated[int, Query(ge=16, le=2048, description="longest side in pixels")] = 1024,
) -> Response:
    """A slice of an image, in its own window or in the one given by both `center` and `width`."""
    await core.session(owner, session_id)
    if (center is None) != (width is None):
        raise Problem("invalid", "A window has a center and a width; give both or neither.")
    rows = [row for row in await core.ledger.images(session_id) if row["number"] == number]
    if not rows:
        raise Problem("not-found", "The session has no image of that number; GET the session lists them.")
    wanted = pictures.Slice(plane, index, center, width, side)
    return await _drawn(core, lambda: pictures.slice_png(core.store, rows[0]["image"], wanted))


@router.get("/evidence", response_model=out.EvidenceOut)
async def evidence(session_id: SessionId, owner: Caller, core: TheCore) -> dict[str, Any]:
    """All boxes and views of the session, by name."""
    await core.session(owner, session_id)
    seen = await pictures.looked(core, session_id)
    return {
        "evidence": [found.model_dump(mode="json") for found in seen.evidence.values()],
        "views": [{"name": n, **view.model_dump(mode="json")} for n, view in seen.views.items()],
    }


@router.get("/views/{name}.png", response_class=Response, responses=PNG)
async def view_png(session_id: SessionId, name: Name, owner: Caller, core: TheCore) -> Response:
    """What the model looked at under that name."""
    await core.session(owner, session_id)
    seen = await pictures.looked(core, session_id)
    return await _drawn(core, lambda: pictures.view_png(seen, name))


@router.get("/evidence/{name}/overlay.png", response_class=Response, responses=PNG)
async def overlay_png(session_id: SessionId, name: Name, owner: Caller, core: TheCore) -> Response:
    """The box on its whole slice."""
    await core.session(owner, session_id)
    seen = await pictures.looked(core, session_id)
    return await _drawn(core, lambda: pictures.evidence_png(seen, name, close=False))


@router.get("/evidence/{name}/crop.png", response_class=Response, responses=PNG)
async def crop_png(session_id: SessionId, name: Name, owner: Caller, core: TheCore) -> Response:
    """A close look at the box."""
    await core.session(owner, session_id)
    seen = await pictures.looked(core, session_id)
    return await _drawn(core, lambda: pictures.evidence_png(seen, name, close=True))


@router.get("/turns/{turn}/overlays/{number}.png", response_class=Response, responses=PNG)
async def answer_png(
    session_id: SessionId, turn: Number, number: Number, owner: Caller, core: TheCore
) -> Response:
    """One slice with the boxes of an answer; a turn's `overlays` lists them."""
    await core.session(owner, session_id)
    row = await core.ledger.turn(session_id, turn)
    if row is None or row["result"] is None:
        raise Problem("not-found", "The session has no answer under that number yet.")
    seen = await pictures.looked(core, session_id)
    return await _drawn(core, lambda: pictures.answer_png(seen, row["result"]["evidence"], number))


async def _drawn(core: Core, draw: Callable[[], bytes]) -> Response:
    async with core.drawing:
        data = await asyncio.to_thread(draw)
    return Response(data, media_type="image/png", headers={"Cache-Control": "private, no-store"})
