"""The arguments that each tool takes, checked before the tool runs; unknown arguments are errors.

Descriptions are prompt text and come from `prompts/tools.toml`. Boxes are checked by the view's frame, not
here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from foveate import prompts


def about(tool: str, argument: str = "about") -> str:
    """What a model is told of a tool or an argument."""
    words: str = prompts.table("tools.toml")[tool][argument]
    return words


def told(tool: str, argument: str) -> Any:
    """A pydantic field description from the prompt files."""
    return Field(description=about(tool, argument))


ViewName = Annotated[str | None, told("shared", "view")]
RegionName = Annotated[str | None, told("shared", "region")]
BoxNumbers = Annotated[
    list[float] | None, Field(description=about("shared", "box"), min_length=4, max_length=4)
]


class Arguments(BaseModel):
    """Base of all tool arguments."""

    model_config = ConfigDict(extra="forbid")


class GroundArguments(Arguments):
    phrase: Annotated[str, told("ground", "phrase")]
    view: ViewName = None


class CropArguments(Arguments):
    region: RegionName = None
    box: BoxNumbers = None
    view: ViewName = None


class ZoomArguments(CropArguments):
    factor: Annotated[float | None, Field(description=about("zoom", "factor"), gt=0, allow_inf_nan=False)] = (
        None
    )
    target: Annotated[int | None, told("zoom", "target")] = None


class WindowArguments(Arguments):
    preset: Annotated[str | None, told("window", "preset")] = None
    center: Annotated[float | None, told("window", "center")] = None
    width: Annotated[float | None, told("window", "width")] = None
    view: ViewName = None


class FlipRotateArguments(Arguments):
    turns: Annotated[int, told("flip_rotate", "turns")] = 0
    flip: Annotated[bool, told("flip_rotate", "flip")] = False
    view: ViewName = None


class SliceArguments(Arguments):
    index: Annotated[int, told("slice", "index")]
    view: ViewName = None


class MeasureArguments(CropArguments):
    pass


class RefineArguments(Arguments):
    question: Annotated[str | None, told("refine", "question")] = None
    phrase: Annotated[str | None, told("refine", "phrase")] = None
    view: ViewName = None
    samples: Annotated[int, Field(description=about("refine", "samples"), ge=2, le=9)] = 5


OtherView = Annotated[str | None, told("shared", "other")]


class CompareArguments(Arguments):
    view: ViewName = None
    other: OtherView = None
    align: Annotated[Literal["rigid", "translation", "none"], told("compare", "align")] = "rigid"


class MatchArguments(CropArguments):
    other: OtherView = None


class TrackArguments(CropArguments):
    reach: Annotated[int, Field(description=about("track", "reach"), ge=1, le=60)] = 12


class MontageArguments(Arguments):
    slices: Annotated[list[int] | None, Field(description=about("montage", "slices"), max_length=16)] = None
    view: ViewName = None


class FindSlicesArguments(Arguments):
    phrase: Annotated[str, told("ground", "phrase")]
    view: ViewName = None
    count: Annotated[int, Field(description=about("find_slices", "count"), ge=1, le=16)] = 4


class RelateArguments(Arguments):
    a: Annotated[str, told("relate", "a")]
    b: Annotated[str, told("relate", "b")]
