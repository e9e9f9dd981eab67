"""The page at `/` and its files, and what only the page asks for: intensities of a slice, names of windows.

Files are read once, from an own list; nothing of an address ever becomes a path. Knows no turn.
"""

from __future__ import annotations

import asyncio
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from foveate.agent.service.caller import Caller, TheCore
from foveate.agent.service.problems import Problem
from foveate.agent.service.routes import PROBLEMS, Number, SessionId
from foveate.tools.imaging.store import ImageStore, StoreError
from foveate.tools.imaging.windows import PRESETS

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
MAX_PIXELS = 2**24
"""Pixels of a slice that are sent as they are stored; larger ones go as PNG."""
router = APIRouter()


@router.get("/", include_in_schema=False)
async def index() -> Response:
    """The page."""
    return _file("index.html")


@router.get("/page/{name}", include_in_schema=False)
async def page_file(name: str) -> Response:
    """A script, style or picture of the page."""
    return _file(name)


class NamedWindow(BaseModel):
    """A CT window in Hounsfield units: black at center - width / 2, white at center + width / 2."""

    name: str
    center: float
    width: float


class WindowsOut(BaseModel):
    """The windows that have a name."""

    windows: list[NamedWindow]


@router.get("/v1/windows", response_model=WindowsOut, tags=["pictures"], responses=PROBLEMS)
async def windows(owner: Caller) -> dict[str, Any]:
    """The CT windows that have a name, as the tool `window` knows them."""
    return {
        "windows": [
            {"name": name, "center": preset.center, "width": preset.width} for name, preset in PRESETS.items()
        ]
    }


@router.get(
    "/v1/sessions/{session_id}/images/{number}/intensities",
    tags=["pictures"],
    response_class=Response,
    responses={
        **PROBLEMS,
        200: {
            "description": "Rows of intensities, little-endian, without a header. X-Size is WIDTHxHEIGHT, "
            "X-Type int8, uint8, int16, uint16 or float32.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
    },
)
async def intensities(
    session_id: SessionId,
    number: Number,
    owner: Caller,
    core: TheCore,
    plane: Annotated[str, Query(max_length=20)],
    index: Annotated[int, Query(ge=0, le=10**6, description="slice of the plane, from 0")],
) -> Response:
    """A gray slice as it is stored, so that a viewer can window it itself. Colour goes as slice.png only."""
    await core.session(owner, session_id)
    rows = [row for row in await core.ledger.images(session_id) if row["number"] == number]
    if not rows:
        raise Problem("not-found", "The session has no image of that number; GET the session lists them.")
    async with core.drawing:
        slice_ = await asyncio.to_thread(_stored, core.store, rows[0]["image"], plane, index)
    headers = {"X-Size": f"{slice_.shape[1]}x{slice_.shape[0]}", "X-Type": slice_.dtype.name}
    return Response(slice_.tobytes(), media_type="application/octet-stream", headers=headers)


def _stored(store: ImageStore, image_id: str, plane: str, index: int) -> np.ndarray[Any, Any]:
    """``[row, col]`` intensities, little-endian. Raises Problem."""
    try:
        image = store.get(image_id)
        if plane not in image.planes:
            there = ", ".join(image.planes)
            raise Problem("invalid", f"The image has no plane of that name; it has {there}.")
        pixels = image.plane_pixels(plane, index)
    except IndexError as error:
        raise Problem("invalid", str(error)) from None
    except StoreError:
        raise Problem("not-found", "The image is no longer stored.") from None
    if image.color or pixels.size > MAX_PIXELS:
        raise Problem("invalid", "Colour and very large slices are not sent as intensities; GET slice.png.")
    # other types hold more than a canvas can show; float32 is what the window is computed in anyway
    kind = pixels.dtype if pixels.dtype.name in ("int8", "uint8", "int16", "uint16") else np.dtype("f4")
    return np.ascontiguousarray(pixels, dtype=kind.newbyteorder("<"))


@cache
def _files() -> dict[str, bytes]:
    folder = files("foveate.agent") / "service" / "page"
    return {
        item.name: item.read_bytes() for item in folder.iterdir() if "." + item.name.split(".")[-1] in TYPES
    }


def _file(name: str) -> Response:
    content = _files().get(name)
    if content is None:
        raise Problem("not-found", "The page has no such file.")
    return Response(content, media_type=TYPES["." + name.split(".")[-1]])
