"""What a caller asks, and how it becomes the input of the graph.

Images are named by their number in the session, boxes in source pixels of a slice. Knows the agent's way of
opening a question; knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from foveate.agent.budget import MAX_QUESTION
from foveate.agent.checks.level import Level
from foveate.agent.opening import InputError
from foveate.agent.run import Agent
from foveate.agent.service.images import SessionImages
from foveate.agent.service.problems import Problem
from foveate.agent.state import AgentState
from foveate.tools.imaging.frames import BoxError
from foveate.tools.imaging.store import StoreError
from foveate.tools.imaging.views import View, ViewError, rewindow
from foveate.tools.imaging.windows import Window

MAX_BOXES = 20
Corners = Annotated[
    list[Annotated[float, Field(ge=-1e6, le=1e6)]],
    Field(min_length=4, max_length=4, description="x0, y0, x1, y1 in source pixels of the slice"),
]


class Intensities(BaseModel):
    """Intensities shown from center - width/2 (black) to center + width/2 (white)."""

    model_config = ConfigDict(extra="forbid")

    center: Annotated[float, Field(ge=-1e9, le=1e9)]
    width: Annotated[float, Field(gt=0, le=1e9)]


class Look(BaseModel):
    """A slice to open the question with."""

    model_config = ConfigDict(extra="forbid")

    image: Annotated[int, Field(ge=1, le=10_000, description="number of the image in the session")]
    slice: Annotated[int | None, Field(ge=0, le=10**6, description="from 0; default: the middle one")] = None
    plane: Annotated[str | None, Field(max_length=20, description="axial, coronal, sagittal or image")] = None
    window: Annotated[Intensities | None, Field(description="default: the image's own; gray only")] = None


class Question(BaseModel):
    """A question about the images of a session.

    Without `look`, images that no question has shown yet open it. `boxes` mark regions on the first slice of
    `look`, and need it.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"question": "Is there a nodule? Where?"}]},
    )

    question: Annotated[str, Field(min_length=1, max_length=MAX_QUESTION)]
    look: Annotated[list[Look], Field(max_length=16)] = []
    boxes: Annotated[list[Corners], Field(max_length=MAX_BOXES)] = []
    checks: Annotated[
        Level | None, Field(description="what is checked before the answer leaves; default: the server's")
    ] = None


def opened(
    agent: Agent,
    images: SessionImages,
    rows: Sequence[Mapping[str, Any]],
    known: Mapping[str, Any],
    asked: Question,
) -> AgentState:
    """The graph's input. `rows` are the session's images, `known` its conversation. Raises Problem."""
    numbers = {int(row["number"]): str(row["image"]) for row in rows}
    if not numbers:
        raise Problem("invalid", "This session has no image; upload one first.")
    if asked.boxes and not asked.look:
        raise Problem("invalid", "Boxes need the slice that they are on; name it in `look`.")
    seen = known.get("images", {})
    try:
        views = [_view(agent, images, numbers, look) for look in asked.look]
        shown = {view.image_id for view in views}
        fresh = [
            images.named(image, number)
            for number, image in numbers.items()
            if image not in seen and (not asked.look or image in shown)
        ]
        start = views if asked.look else None
        return agent.opener.open(fresh, asked.question, known, start, asked.boxes, asked.checks)
    except (InputError, BoxError, ViewError, IndexError) as error:
        raise Problem("invalid", f"{error}") from None
    except StoreError:
        raise Problem("not-found", "An image of this session is no longer stored; start anew.") from None


def _view(agent: Agent, images: SessionImages, numbers: Mapping[int, str], look: Look) -> View:
    if look.image not in numbers:
        there = ", ".join(map(str, numbers))
        raise Problem("invalid", f"The session has no image {look.image}; it has {there}.")
    image = images.named(numbers[look.image], look.image)
    if look.plane is not None and look.plane not in image.planes:
        there = ", ".join(image.planes)
        raise Problem("invalid", f"Image {look.image} has no plane of that name; it has {there}.")
    view = agent.overview(image, look.slice, look.plane)
    return view if look.window is None else rewindow(view, Window(look.window.center, look.window.width))
