"""PNGs of what a session has: slices, views, evidence and answers. Drawn from the source each time.

Knows the store and the drawing functions; knows no model.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foveate.agent.page.pictures import Looked, evidence_crop, overlays
from foveate.agent.service.core import Core
from foveate.agent.service.problems import Problem
from foveate.tools.evidence import Evidence
from foveate.tools.imaging.render import render
from foveate.tools.imaging.store import ImageStore, StoreError
from foveate.tools.imaging.views import View, ViewError, overview
from foveate.tools.imaging.windows import Window, WindowError

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Slice:
    """A slice to draw; None takes the image's own: first plane, middle slice, default window."""

    plane: str | None
    index: int | None
    center: float | None
    width: float | None
    side: int


class _Images(Mapping[str, Any]):
    """Images by id, called by number, opened when they are needed."""

    def __init__(self, store: ImageStore, numbers: Mapping[str, int]) -> None:
        self._store, self._numbers = store, numbers

    def __getitem__(self, image_id: str) -> Any:
        import copy

        image = copy.copy(self._store.get(image_id))
        image.name = f"image {self._numbers[image_id]}"
        return image

    def __iter__(self) -> Any:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


async def looked(core: Core, session: str) -> Looked:
    """Views and evidence by name, of finished turns and of the running one."""
    state = (await core.turns.agent.graph.aget_state(core.turns.config(session))).values
    views, evidence = dict(state.get("views", {})), dict(state.get("evidence", {}))
    rows = await core.ledger.images(session)
    for row in await core.ledger.turns(session):
        live = core.turns.live(session, row["number"])
        if live is not None:
            views.update(
                {n: {k: v for k, v in told.items() if k != "name"} for n, told in live.views.items()}
            )
            evidence.update(live.evidence)
    return Looked(
        _Images(core.store, {row["image"]: row["number"] for row in rows}),
        {name: View.model_validate(told) for name, told in views.items()},
        {name: Evidence.model_validate(told) for name, told in evidence.items()},
    )


def slice_png(store: ImageStore, image_id: str, wanted: Slice) -> bytes:
    """One slice, no longer than `side`. Raises Problem."""
    try:
        image = store.get(image_id)
        plane = wanted.plane or image.planes[0]
        if plane not in image.planes:
            raise Problem(
                "invalid", f"The image has no plane of that name; it has {', '.join(image.planes)}."
            )
        window = None
        if wanted.center is not None and wanted.width is not None:
            window = Window(wanted.center, wanted.width)
        return png(render(overview(image, wanted.side, wanted.index, plane, window), image))
    except (ViewError, WindowError, IndexError) as error:
        raise Problem("invalid", str(error)) from None
    except StoreError:
        raise Problem("not-found", "The image is no longer stored.") from None


def view_png(seen: Looked, name: str) -> bytes:
    """A named view as the model saw it. Raises Problem."""
    if name not in seen.views:
        raise Problem(
            "not-found", f"The session has no view of that name; it has {len(seen.views)} views, V0 on."
        )
    view = seen.views[name]
    return png(render(view, seen.images[view.image_id]))


def evidence_png(seen: Looked, name: str, *, close: bool) -> bytes:
    """A box on its whole slice, or a close look at it. Raises Problem."""
    if name not in seen.evidence:
        raise Problem("not-found", "The session has no evidence of that name; GET …/evidence lists it.")
    found = seen.evidence[name]
    return png(evidence_crop(seen, found) if close else overlays(seen, [found])[0].picture)


def answer_png(seen: Looked, cited: list[dict[str, Any]], number: int) -> bytes:
    """One overlay of an answer, from 1. Raises Problem."""
    drawn = overlays(seen, [Evidence.model_validate(told) for told in cited])
    if not 1 <= number <= len(drawn):
        raise Problem("not-found", f"The answer has overlays 1 to {len(drawn)}.")
    return png(drawn[number - 1].picture)


def png(picture: Image) -> bytes:
    """A picture as PNG, with nothing beside its pixels."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
