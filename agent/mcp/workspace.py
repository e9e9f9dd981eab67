"""Sessions of MCP clients: images, views and regions by name, and what was asked about them.

A session's state is a conversation of the graph, so that tools of the client and of Foveate's own model see
the same views and regions. Knows tools and the agent's state; knows no protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from foveate.agent.budget import MAX_IMAGES
from foveate.agent.state import AgentState, evidence_of, evidence_record, view_record, views_of
from foveate.tools.context import ToolArtifact, ToolContext, ToolError
from foveate.tools.evidence import Evidence, named
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore, StoreError
from foveate.tools.imaging.views import View, overview

MAX_WORKSPACES = 32
VIEW_SIDE = 768
"""Longest side, in pixels, of the view that opens an image."""


@dataclass
class Workspace:
    """One session. `fresh` are opening views that Foveate's own model has not been asked about."""

    name: str
    store: ImageStore
    state: AgentState = field(default_factory=lambda: AgentState(views={}, evidence={}, images={}))
    fresh: list[View] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def views(self) -> dict[str, View]:
        return views_of(self.state)

    @property
    def evidence(self) -> dict[str, Evidence]:
        return evidence_of(self.state)

    @property
    def images(self) -> dict[str, SourceImage]:
        """By id, called by their number: a file's name may tell who the patient is."""
        return {image: self._named(image, told["name"]) for image, told in self.state["images"].items()}

    def add_image(self, image: SourceImage, slice_index: int | None, plane: str | None) -> str:
        """Stores the image and opens a view of it; the view's name. Raises ToolError or the view's error."""
        if plane is not None and plane not in image.planes:
            raise ToolError(f"the image has no plane {plane}; it has {', '.join(image.planes)}")
        view = overview(image, VIEW_SIDE, slice_index, plane, upscale=False)
        known = self.state["images"]
        if image.id not in known and len(known) >= MAX_IMAGES:
            raise ToolError(f"a session holds at most {MAX_IMAGES} images; open a new one")
        self.store.put(image)
        if image.id not in known:
            known[image.id] = {"name": f"image {len(known) + 1}", "about": image.describe()}
        self.fresh.append(view)
        return self._add_views([view])[0]

    def context(self, grounder: Grounder | None) -> ToolContext:
        """What a tool may see of the session."""
        return ToolContext(self.store, self.views, self.evidence, grounder)

    def register(self, artifact: ToolArtifact) -> tuple[list[str], list[str]]:
        """Gives names to what a tool made: views and regions, in the order of making."""
        first = len(self.state["evidence"]) + 1
        names = [f"E{first + i}" for i in range(len(artifact.evidence))]
        views = self._add_views(artifact.views)
        made = dict(zip(views, artifact.views, strict=True))
        for name, found in zip(names, artifact.evidence, strict=True):
            self.state["evidence"][name] = evidence_record(named(found, name, made))
        return views, names

    def _add_views(self, views: Any) -> list[str]:
        first = len(self.state["views"])
        names = [f"V{first + i}" for i in range(len(views))]
        self.state["views"].update({n: view_record(v) for n, v in zip(names, views, strict=True)})
        return names

    def _named(self, image_id: str, name: str) -> SourceImage:
        image = copy.copy(self.store.get(image_id))
        image.name = name
        return image


class Workspaces:
    """All sessions of one server; the one unused for longest goes when there are too many."""

    def __init__(self, store: ImageStore) -> None:
        self.store = store
        self._all: OrderedDict[str, Workspace] = OrderedDict()

    def new(self) -> Workspace:
        made = Workspace(secrets.token_hex(16), self.store)  # a name that nobody guesses
        self._all[made.name] = made
        while len(self._all) > MAX_WORKSPACES:
            self.close(next(iter(self._all)))
        return made

    def get(self, name: str) -> Workspace:
        """Raises ToolError."""
        found = self._all.get(name)
        if found is None:
            raise ToolError("there is no such session; open_image gives one")
        self._all.move_to_end(name)
        return found

    def close(self, name: str) -> None:
        """Removes the session, and from the store the images that no other session has. Raises ToolError."""
        gone = self.get(name)
        del self._all[name]
        kept = {image for other in self._all.values() for image in other.state["images"]}
        for image in gone.state["images"]:
            if image not in kept:
                with contextlib.suppress(StoreError):
                    self.store.delete(image)
