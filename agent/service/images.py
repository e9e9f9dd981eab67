"""Images of sessions: stored once, counted by the sessions that use them, gone with the last.

Knows the store and the ledger. A blob and its row change under one lock by the blob's id, so that an upload
and a delete of the same image, in whatever process, cannot miss each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from typing import Any

from foveate.agent.budget import MAX_IMAGES
from foveate.agent.service.ledger import Ledger
from foveate.agent.service.problems import Problem
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore, StoreError


class SessionImages:
    """Of all sessions."""

    def __init__(self, store: ImageStore, ledger: Ledger) -> None:
        self.store, self._ledger = store, ledger
        self._adding = asyncio.Semaphore(4)  # each holds two locks

    async def add(self, session: str, images: list[SourceImage]) -> list[dict[str, Any]]:
        """Stores them; the records of those images in the session. Raises Problem."""
        async with self._adding, self._ledger.database.lock(f"session {session}"):
            if not await self._ledger.exists(session):
                raise Problem("not-found", "The session was deleted while the image was opened.")
            there = [row["image"] for row in await self._ledger.images(session)]
            ids = [await asyncio.to_thread(lambda image: image.id, image) for image in images]
            if len({*there, *ids}) > MAX_IMAGES:
                raise Problem(
                    "invalid", f"A session holds at most {MAX_IMAGES} images; make a new one for more."
                )
            for image in images:
                async with self._ledger.database.lock(f"image {image.id}"):
                    await asyncio.to_thread(self.store.put, image)
                    await self._ledger.add_image(session, image.id, about(image))
        return [row for row in await self._ledger.images(session) if row["image"] in ids]

    async def drop(self, session: str) -> None:
        """Removes the session's images, and from the store those that no other session has."""
        async with self._ledger.database.lock(f"session {session}"):
            rows = await self._ledger.images(session)
            await self._ledger.drop_images(session)
        for row in rows:
            await self.drop_unused(row["image"])

    async def drop_unused(self, image: str) -> None:
        """Removes an image that no session has from the store."""
        async with self._ledger.database.lock(f"image {image}"):
            if not await self._ledger.image_is_used(image):
                with contextlib.suppress(StoreError):
                    await asyncio.to_thread(self.store.delete, image)

    def named(self, image_id: str, number: int) -> SourceImage:
        """The image, called by its number in the session; a copy that shares the pixels."""
        image = copy.copy(self.store.get(image_id))
        image.name = f"image {number}"
        return image


def about(image: SourceImage) -> dict[str, Any]:
    """What a client may know of an image: sizes and geometry."""
    return {
        "description": image.describe(),
        "color": image.color,
        "modality": image.modality,
        "planes": {
            plane: {
                "slices": image.slice_count(plane),
                "width": image.plane_size(plane)[0],
                "height": image.plane_size(plane)[1],
                "spacing_mm": image.plane_spacing(plane),
                "sides": image.sides(plane),
            }
            for plane in image.planes
        },
        "window": None
        if image.default_window is None
        else {"center": image.default_window.center, "width": image.default_window.width},
        "notes": list(image.notes),
    }
