"""The bodies that the service gives, as OpenAPI shows them. Knows no route and no table."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Status = Literal["running", "done", "failed", "cancelled", "interrupted"]


class WindowOut(BaseModel):
    """Intensities shown from center - width/2 (black) to center + width/2 (white)."""

    center: float
    width: float


class PlaneOut(BaseModel):
    """A plane that can be shown: sizes in source pixels, [row, column] spacing in millimetres."""

    slices: int
    width: int
    height: int
    spacing_mm: tuple[float, float] | None
    sides: tuple[str, str, str, str] | None


class AboutOut(BaseModel):
    """What is known of an image; no name, date or identifier of a file."""

    description: str
    color: bool
    modality: str | None
    planes: dict[str, PlaneOut]
    window: WindowOut | None
    notes: list[str]


class ImageOut(BaseModel):
    """An image of a session. `number` counts from 1; `id` is the SHA-256 of pixels and geometry."""

    number: int
    id: str
    about: AboutOut


class ImagesOut(BaseModel):
    """The images that an upload gave."""

    images: list[ImageOut]


class SessionLine(BaseModel):
    """A session in a list. Times are seconds since 1970."""

    id: str
    origin: str
    created: float
    updated: float
    turns: int
    images: int


class SessionsOut(BaseModel):
    """The caller's sessions, newest first; `next` is the `before` of the next page, None at the end."""

    sessions: list[SessionLine]
    next: float | None


class TurnOut(BaseModel):
    """One question and what came of it.

    `result` is what `foveate ask --json` prints, once there is one; `problem` says why there is none.
    A turn is "interrupted" when its server died and it could not be taken up again.
    """

    session: str
    turn: int
    status: Status
    question: str
    created: float
    ended: float | None
    result: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    overlays: Annotated[list[str], Field(description="addresses of the answer's overlays, one a slice")] = []


class SessionOut(BaseModel):
    """A session with its images and its history, oldest first."""

    id: str
    origin: str
    created: float
    updated: float
    images: list[ImageOut]
    turns: list[TurnOut]


class EvidenceOut(BaseModel):
    """Everything the session has found, cited or not, and the named views; boxes in source pixels."""

    evidence: list[dict[str, Any]]
    views: list[dict[str, Any]]


class TraceOut(BaseModel):
    """What a replay needs: questions, the model's replies and the steps; `--model scripted:FILE` reads it."""

    session: str
    questions: list[str]
    replies: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    views: dict[str, Any]
    model: str | None


class HealthOut(BaseModel):
    """`ok` and, for readiness, each part: "ok" or what is wrong."""

    ok: bool
    parts: dict[str, str] = {}


def overlay_addresses(session: str, turn: int, result: dict[str, Any]) -> list[str]:
    """Where the overlays of an answer are: one for each slice with a box, one in any case."""
    slices = {(found["image"], found["plane"], found["slice"]) for found in result["evidence"]}
    at = f"/v1/sessions/{session}/turns/{turn}/overlays"
    return [f"{at}/{number}.png" for number in range(1, max(1, len(slices)) + 1)]
