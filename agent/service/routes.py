"""Sessions, images and questions over HTTP. Each route checks its caller, then hands on."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, File, Header, Path, Query, Request, UploadFile
from starlette.responses import Response

from foveate.agent.service import schemas as out
from foveate.agent.service import streams
from foveate.agent.service.caller import Caller, TheCore
from foveate.agent.service.core import Core
from foveate.agent.service.database import Row
from foveate.agent.service.problems import MEDIA_TYPE, Problem, ProblemDocument
from foveate.agent.service.questions import Question

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "model": ProblemDocument,
        "description": text,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
    }
    for status, text in {
        400: "The request cannot be read",
        401: "An API key is needed",
        403: "The host or origin is not allowed",
        404: "There is no such thing of yours",
        409: "A turn runs, or has ended",
        413: "The body is too large",
        415: "The content type does not fit",
        422: "A value or an image is not valid",
        429: "Too many requests",
        502: "The model failed",
        503: "The server is full or its store fails",
        504: "Not answered in time",
        507: "The disk is full",
    }.items()
}
router = APIRouter(prefix="/v1/sessions", responses=PROBLEMS)
SessionId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="id of a session of yours")]
Number = Annotated[int, Path(ge=1, le=10**6)]


@router.post("", status_code=201, response_model=out.SessionOut, tags=["sessions"])
async def create_session(owner: Caller, core: TheCore) -> dict[str, Any]:
    """Begins a session. Upload images to it, then ask."""
    session = await core.new_session(owner)
    return await _session(core, await core.session(owner, session))


@router.get("", response_model=out.SessionsOut, tags=["sessions"])
async def list_sessions(
    owner: Caller,
    core: TheCore,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[float, Query(ge=0, le=1e12, description="`next` of the page before")] = 1e12,
) -> dict[str, Any]:
    """Your sessions, newest first."""
    rows = await core.ledger.sessions(owner, limit, before)
    return {"sessions": rows, "next": rows[-1]["updated"] if len(rows) == limit else None}


@router.get("/{session_id}", response_model=out.SessionOut, tags=["sessions"])
async def get_session(session_id: SessionId, owner: Caller, core: TheCore) -> dict[str, Any]:
    """Images and history of a session."""
    return await _session(core, await core.session(owner, session_id))


@router.delete("/{session_id}", status_code=204, tags=["sessions"])
async def delete_session(session_id: SessionId, owner: Caller, core: TheCore) -> Response:
    """Ends what runs and removes the session: history, events, conversation, and images only it used."""
    await core.session(owner, session_id)
    await core.delete_session(session_id)
    return Response(status_code=204)


@router.post("/{session_id}/images", status_code=201, response_model=out.ImagesOut, tags=["images"])
async def upload_images(
    session_id: SessionId,
    owner: Caller,
    core: TheCore,
    files: Annotated[
        list[UploadFile],
        File(
            description="PNG, JPEG, TIFF, WebP, BMP, GIF, DICOM, NIfTI, NRRD; several DICOM files, or a zip, "
            "are one series. File names are not kept."
        ),
    ],
) -> dict[str, Any]:
    """Uploads images. Only pixels and geometry are kept: no tag, name or date of a file."""
    await core.session(owner, session_id)
    return {"images": [_image(row) for row in await core.upload(session_id, [f.file for f in files])]}


@router.post(
    "/{session_id}/turns",
    status_code=202,
    response_model=out.TurnOut,
    tags=["turns"],
    responses={200: {"model": out.TurnOut, "description": "Answered while you waited"}},
)
async def ask(
    session_id: SessionId,
    question: Question,
    request: Request,
    response: Response,
    owner: Caller,
    core: TheCore,
    wait: Annotated[float, Query(ge=0, le=300, description="seconds to wait for the answer")] = 0,
    accept: Annotated[str, Header()] = "",
) -> Any:
    """Asks a question, the first or a follow-up.

    Gives the running turn at once (202); the answer with `wait` (200); or, for Accept: text/event-stream,
    the turn's events as they happen, as GET …/turns/{turn}/events does. With `wait` alone the model's words
    come whole: the turn's events have no tokens.
    """
    await core.session(owner, session_id)
    listens = not wait or "text/event-stream" in accept
    live = await core.turns.ask(owner, session_id, question, tokens=listens)
    response.headers["Location"] = f"/v1/sessions/{session_id}/turns/{live.number}"
    if "text/event-stream" in accept:
        return streams.response(request, core, session_id, live.number, 0)
    if wait and live.task is not None:
        await asyncio.wait([live.task], timeout=wait)
    row = await _row(core, session_id, live.number)
    if row["status"] != "running":
        response.status_code = 200
        if row["status"] == "failed":  # a caller who waited hears of a failure as one
            raise model_problem(row)
    return _turn(row)


@router.get("/{session_id}/turns", response_model=list[out.TurnOut], tags=["turns"])
async def history(session_id: SessionId, owner: Caller, core: TheCore) -> list[dict[str, Any]]:
    """All turns, oldest first."""
    await core.session(owner, session_id)
    return [_turn(row) for row in await core.ledger.turns(session_id)]


@router.get("/{session_id}/turns/{turn}", response_model=out.TurnOut, tags=["turns"])
async def get_turn(session_id: SessionId, turn: Number, owner: Caller, core: TheCore) -> dict[str, Any]:
    """One turn; its `result` once it is answered."""
    await core.session(owner, session_id)
    return _turn(await _row(core, session_id, turn))


@router.post("/{session_id}/turns/{turn}/cancel", status_code=202, response_model=out.TurnOut, tags=["turns"])
async def cancel(session_id: SessionId, turn: Number, owner: Caller, core: TheCore) -> dict[str, Any]:
    """Ends a running turn without an answer. A second time, or after its end, is a problem (409)."""
    await core.session(owner, session_id)
    await _row(core, session_id, turn)
    await core.turns.cancel(session_id, turn)
    return _turn(await _row(core, session_id, turn))


@router.get(
    "/{session_id}/turns/{turn}/events",
    tags=["turns"],
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def events(
    session_id: SessionId, turn: Number, request: Request, owner: Caller, core: TheCore
) -> Response:
    """The turn's events as they happen: view, box, model_start, token, model_end, tool_start, tool_end, step,
    repair, answer, error, turn_end. Resumed after the id in Last-Event-ID."""
    await core.session(owner, session_id)
    await _row(core, session_id, turn)
    return streams.response(request, core, session_id, turn, streams.after_id(request))


@router.get("/{session_id}/trace", response_model=out.TraceOut, tags=["turns"])
async def trace(session_id: SessionId, owner: Caller, core: TheCore) -> dict[str, Any]:
    """The whole conversation as a trace that can be replayed with the session's images."""
    await core.session(owner, session_id)
    rows = [row for row in await core.ledger.turns(session_id) if row["result"]]
    state = (await core.turns.agent.graph.aget_state(core.turns.config(session_id))).values
    return {
        "session": session_id,
        "questions": [row["result"]["question"] for row in rows],
        "replies": [reply for row in rows for reply in row["result"]["replies"]],
        "steps": [step for row in rows for step in row["result"]["steps"]],
        "views": state.get("views", {}),
        "model": rows[-1]["result"]["model"] if rows else None,
    }


async def _row(core: Core, session: str, turn: int) -> Row:
    row = await core.ledger.turn(session, turn)
    if row is None:
        raise Problem("not-found", "The session has no such turn; GET …/turns lists them.")
    return row


def model_problem(row: Row | None) -> Problem:
    """Why a turn that has ended has no answer."""
    if row is None:
        return Problem("not-found", "The session was deleted while it answered.")
    if row["problem"]:
        return Problem("internal", row["problem"]["detail"], turn=row["number"])
    if row["status"] == "cancelled":
        return Problem("ended", "The turn was cancelled; ask again.", turn=row["number"])
    return Problem(
        "model",
        "The model server is down, slow or answered nonsense; try again, and see the turn's `result`.",
        turn=row["number"],
        failure=(row["result"] or {}).get("failure"),
    )


async def _session(core: Core, row: Row) -> dict[str, Any]:
    return {
        **{key: row[key] for key in ("id", "origin", "created", "updated")},
        "images": [_image(image) for image in await core.ledger.images(row["id"])],
        "turns": [_turn(turn) for turn in await core.ledger.turns(row["id"])],
    }


def _image(row: Row) -> dict[str, Any]:
    return {"number": row["number"], "id": row["image"], "about": row["about"]}


def _turn(row: Row) -> dict[str, Any]:
    result = row["result"] and {key: value for key, value in row["result"].items() if key != "replies"}
    return {
        "session": row["session"],
        "turn": row["number"],
        "status": row["status"],
        "question": row["request"]["question"],
        "created": row["created"],
        "ended": row["ended"],
        "result": result,
        "problem": row["problem"],
        "overlays": out.overlay_addresses(row["session"], row["number"], result) if result else [],
    }
