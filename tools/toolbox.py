"""All look tools as LangChain tools with content-and-artifact results.

The content is plain words for a reader without an agent (boxes in pixels of their view); an agent words the
artifact again, with its own names and in its model's box convention. Knows no agent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool

from foveate.tools import arguments as args
from foveate.tools import find, look, measure, refine, relate
from foveate.tools.context import ToolArtifact, ToolContext, ToolError
from foveate.tools.evidence import Evidence, named
from foveate.tools.imaging.views import View
from foveate.tools.multi import compare, match, slices, track, transfer
from foveate.tools.wording import observation

Call = Callable[..., ToolArtifact]

TOOLS: dict[str, tuple[Call, type[args.Arguments]]] = {
    "ground": (find.ground, args.GroundArguments),
    "crop": (look.crop, args.CropArguments),
    "zoom": (look.zoom, args.ZoomArguments),
    "window": (look.window, args.WindowArguments),
    "flip_rotate": (look.flip_rotate, args.FlipRotateArguments),
    "slice": (look.slice_, args.SliceArguments),
    "measure": (measure.measure, args.MeasureArguments),
    "relate": (relate.relate, args.RelateArguments),
    "refine": (refine.refine, args.RefineArguments),
    "compare": (compare.compare, args.CompareArguments),
    "match": (match.match, args.MatchArguments),
    "transfer": (transfer.transfer, args.MatchArguments),
    "track": (track.track, args.TrackArguments),
    "montage": (slices.montage, args.MontageArguments),
    "find_slices": (slices.find_slices, args.FindSlicesArguments),
}
SEVERAL = ("compare", "match", "transfer", "track", "montage", "find_slices")
"""The tools over several images and slices, which no compact model was taught."""


def make_tools(ctx: ToolContext, names: Sequence[str] | None = None) -> list[BaseTool]:
    """The tools of a run, bound to its views and evidence. Left out: `ground` and `find_slices` where there
    is no grounder, `refine` where the model cannot be asked again, `SEVERAL` where it was not taught them."""
    parts = (("ground", ctx.grounder), ("find_slices", ctx.grounder), ("refine", ctx.resample))
    missing = [name for name, part in parts if part is None] + list(() if ctx.several else SEVERAL)
    wanted = names or [name for name in TOOLS if name not in missing]
    return [_tool(ctx, name) for name in wanted]


def _tool(ctx: ToolContext, name: str) -> BaseTool:
    call, schema = TOOLS[name]
    return StructuredTool(
        name=name,
        description=args.about(name),
        args_schema=schema,
        func=partial(_run, call, ctx),
        response_format="content_and_artifact",
    )


def _run(call: Call, ctx: ToolContext, **arguments: Any) -> tuple[str, ToolArtifact]:
    try:
        artifact = call(ctx, **arguments)
    except (ValueError, IndexError) as error:
        # the geometry's own sentences: a box outside its frame, a window that does not exist, a missing slice
        raise ToolError(str(error)) from error
    views = [f"V{len(ctx.views) + i}" for i in range(len(artifact.views))]
    made = dict(zip(views, artifact.views, strict=True))
    evidence = [named(e, f"E{len(ctx.evidence) + 1 + i}", made) for i, e in enumerate(artifact.evidence)]
    boxes = [pixels(e, {**ctx.views, **made}[e.view], ctx) for e in evidence]
    return observation("full", artifact, views, evidence, boxes), artifact


def pixels(evidence: Evidence, view: View, ctx: ToolContext) -> str:
    """The region's box in pixels of a view, as text."""
    box = view.frame.from_source(evidence.source_box(ctx.image(view)))
    return ",".join(f"{value:.0f}" for value in box.as_tuple())
