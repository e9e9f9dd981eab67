"""What a tool may see of a run: the image store, the named views and evidence, and the grounder.

Knows no agent and no model. Names are given by the caller; a tool returns things without a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from langchain_core.tools import ToolException

from foveate.tools.evidence import Evidence
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.imaging.frames import Box, BoxError
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.montage import single
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View

Corners = tuple[float, float, float, float]


class ToolError(ToolException):
    """What went wrong in a tool call, in one sentence that a model can act on."""


@dataclass(frozen=True)
class ToolLimits:
    """`view_side`: longest side, in pixels, of a view that a tool makes; `min_side`: a view whose longest
    side is below it is magnified to it. `margin`: context around a region, as a fraction of its sides."""

    view_side: int = 768
    min_side: int = 112
    margin: float = 0.25
    max_regions: int = 5
    max_phrase: int = 120
    max_question: int = 400
    max_samples: int = 9


@dataclass(frozen=True)
class Sample:
    """One answer of a model that was asked again: its words, and its boxes in pixels of the view that it saw.

    `error` says why there is no answer.
    """

    text: str = ""
    boxes: tuple[Corners, ...] = ()
    abstained: bool = False
    error: str | None = None
    tokens: tuple[int, int] = (0, 0)  # of the prompt and of the reply


class Resampler(Protocol):
    """Asks the model a question about one view several times over, with semantic sampling."""

    def __call__(self, question: str, view: View, count: int) -> list[Sample]:
        """At most `count` samples, fewer when the time is over. Never raises for what the model does."""
        ...


@dataclass(frozen=True)
class ToolContext:
    """`views` in order of making, the newest last; `grounder` and `resample` are None where there is none.

    `several`: whether the tools over several images and slices are offered.
    """

    store: ImageStore
    views: Mapping[str, View]
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    grounder: Grounder | None = None
    limits: ToolLimits = ToolLimits()
    resample: Resampler | None = None
    several: bool = True

    def view_name(self, name: str | None) -> str:
        """The given name once checked, or the newest view's."""
        if not self.views:
            raise ToolError("there is no view yet")
        if name is None:
            return next(reversed(list(self.views)))
        if name not in self.views:
            raise ToolError(f"there is no view {name[:20]}; views are {', '.join(self.views)}")
        return name

    def region(self, name: str) -> Evidence:
        """The evidence of that name."""
        if name not in self.evidence:
            known = ", ".join(self.evidence) or "none yet"
            raise ToolError(f"there is no region {name[:20]}; regions are {known}")
        return self.evidence[name]

    def image(self, view: View) -> SourceImage:
        return self.store.get(view.image_id)

    def target(self, region: str | None, box: Corners | None, view: str | None) -> Target:
        """The place a call points at: a region by name, or a box of a view, and nothing else."""
        if (region is None) == (box is None):
            raise ToolError("give either a region or a box")
        if box is not None:
            name = self.view_name(view)
            return self._drawn(name, self.views[name].frame.box(*box))
        evidence = self.region(str(region))
        name = self.view_name(view or evidence.view)
        shown = self.views[name]
        if evidence.slice in shown.slices:
            shown = single(shown, evidence.slice)
        if (shown.image_id, shown.plane, shown.slice_index) != (
            evidence.image,
            evidence.plane,
            evidence.slice,
        ):
            raise ToolError(f"{region} was seen on another slice or image than {name}")
        try:
            box_shown = shown.frame.from_source(evidence.source_box(self.image(shown)))
        except BoxError:
            raise ToolError(f"{region} does not lie in {name}") from None
        return Target(name, shown, box_shown, evidence)

    def _drawn(self, name: str, box: Box) -> Target:
        """A box of a montage is one of the slice that it lies on."""
        shown = self.views[name]
        if not shown.slices:
            return Target(name, shown, box, None)
        source = shown.frame.to_source(box)
        alone = single(shown, source.frame.slice_index)
        return Target(name, alone, alone.frame.from_source(source), None)


@dataclass(frozen=True)
class Target:
    """A box in a view's frame; `evidence` is set when it was named by a region."""

    view_name: str
    view: View
    box: Box
    evidence: Evidence | None

    @property
    def label(self) -> str:
        """What a region made from it is called."""
        return self.evidence.label if self.evidence else "box"


@dataclass(frozen=True)
class ToolArtifact:
    """What a call made: new views and evidence, both still without names, and the facts to be told in
    words."""

    views: tuple[View, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
