"""The tools that make views, and `ground`, called as LangChain tools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from langchain_core.tools import BaseTool, ToolException
from pydantic import ValidationError

from foveate.tools.context import ToolArtifact, ToolContext, ToolError, ToolLimits
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View, overview, render
from foveate.tools.toolbox import TOOLS, make_tools

from ..agent.scripted import FakeGrounder, ct_volume, picture

LIMITS = ToolLimits(view_side=224, min_side=56)


def tools(
    image: SourceImage, known: dict[str, Any] | None = None, relative: bool = False
) -> dict[str, BaseTool]:
    return {tool.name: tool for tool in make_tools(context(image, known, relative))}


def context(image: SourceImage, known: dict[str, Any] | None = None, relative: bool = False) -> ToolContext:
    store = ImageStore()
    store.put(image)
    view = overview(image, 224, upscale=True)
    box = view.frame.box(56, 56, 112, 112)
    found = seen_at(box, view, image, label="thing", tool="test", view_name="V0").model_copy(
        update={"id": "E1"}
    )
    grounder = FakeGrounder(known or {}, relative)
    return ToolContext(store, {"V0": view}, {"E1": found}, grounder, LIMITS)


def run(tool: BaseTool, **arguments: Any) -> tuple[str, ToolArtifact]:
    message = tool.invoke({"type": "tool_call", "name": tool.name, "args": arguments, "id": "1"})
    return message.text, message.artifact


def view_of(artifact: ToolArtifact) -> View:
    [view] = artifact.views
    return view


def test_zoom_reads_the_source_again_and_not_the_shrunk_view() -> None:
    """A one-pixel check pattern is invisible at a quarter of the size and whole again after a zoom."""
    pattern = (np.indices((896, 896)).sum(axis=0) % 2 * 255).astype(np.uint8)
    image = SourceImage(pattern[None])
    ctx = context(image)
    small = np.asarray(render(ctx.views["V0"], image).convert("L"), float)
    made = view_of(run(tools(image)["zoom"], box=[100, 100, 156, 156])[1])
    close = np.asarray(render(made, image).convert("L"), float)
    assert small.std() < 20 < 100 < close.std()


def test_a_region_is_looked_at_with_its_surroundings_inside_the_view() -> None:
    made = view_of(run(tools(ct_volume())["zoom"], region="E1")[1])
    # a quarter of the 16-pixel region on each side
    assert made.region == pytest.approx((12, 12, 36, 36))
    assert max(made.width, made.height) == LIMITS.view_side


def test_a_box_is_looked_at_as_given() -> None:
    assert view_of(run(tools(ct_volume())["crop"], box=[56, 56, 168, 112])[1]).region == pytest.approx(
        (16, 16, 48, 32)
    )


def test_a_tiny_crop_is_magnified_to_the_smallest_side() -> None:
    assert view_of(run(tools(ct_volume())["crop"], box=[0, 0, 20, 10])[1]).width == LIMITS.min_side


def test_zoom_by_a_factor_and_to_a_target() -> None:
    zoom = tools(ct_volume())["zoom"]
    assert view_of(run(zoom, box=[0, 0, 50, 40], factor=3)[1]).width == 150
    assert view_of(run(zoom, box=[0, 0, 50, 40], target=100)[1]).height == 80


def test_windows_by_name_need_hounsfield_units() -> None:
    assert view_of(run(tools(ct_volume())["window"], preset="Lung")[1]).window.center == -600  # type: ignore[union-attr]
    gray = SourceImage(np.zeros((1, 64, 64), np.uint8))
    with pytest.raises(ToolException, match="Hounsfield"):
        run(tools(gray)["window"], preset="lung")
    made = view_of(run(tools(gray)["window"], center=100, width=50)[1])
    assert made.window is not None and made.window.width == 50


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("window", {"preset": "moon"}, "no window named 'moon'"),
        ("window", {"preset": "lung", "width": 3}, "not both"),
        ("window", {"center": 3}, "both center and width"),
        ("window", {"center": 3, "width": 0}, "width above zero"),
        ("slice", {"index": 20}, "slices are 0-19"),
        ("slice", {"index": -1}, "slices are 0-19"),
        ("flip_rotate", {}, "nothing to do"),
        ("flip_rotate", {"turns": 4}, "nothing to do"),
        ("crop", {"box": [0, 0, 300, 10]}, "reaches outside"),
        ("crop", {"box": [10, 0, 10, 10]}, "empty"),
        ("crop", {"box": [0, 0, float("nan"), 10]}, "not finite"),
        ("ground", {"phrase": "  "}, "1 to 120 characters"),
        ("ground", {"phrase": "x" * 121}, "1 to 120 characters"),
        ("ground", {"phrase": "x", "view": "V3"}, "no view V3; views are V0"),
        ("relate", {"a": "E1", "b": "E2"}, "no region E2; regions are E1"),
    ],
)
def test_a_call_that_cannot_be_done_says_why_in_one_sentence(
    tool: str, arguments: dict[str, Any], told: str
) -> None:
    with pytest.raises(ToolError, match=told) as error:
        run(tools(ct_volume())[tool], **arguments)
    assert "\n" not in str(error.value)


def test_a_picture_has_one_slice_and_no_window() -> None:
    with pytest.raises(ToolError, match="one slice only"):
        run(tools(picture())["slice"], index=0)
    with pytest.raises(ToolError, match="colour image has no intensities"):
        run(tools(picture())["window"], center=1, width=1)


def test_slice_keeps_the_region_and_flip_rotate_keeps_the_pixels() -> None:
    image = ct_volume()
    moved = view_of(run(tools(image)["slice"], index=3)[1])
    assert (moved.slice_index, moved.region) == (3, overview(image, 224).region)
    turned = view_of(run(tools(image)["flip_rotate"], turns=1)[1])
    upright = np.asarray(render(overview(image, 224, upscale=True), image))
    assert (np.asarray(render(turned, image)) == np.rot90(upright, -1)).all()


def test_ground_gives_regions_in_source_pixels_whatever_view_it_looked_at() -> None:
    image = ct_volume()
    text, made = run(
        tools(image, {"liver": (10.0, 10.0, 20.0, 20.0)})["ground"], phrase=" the  liver ".replace("the", "")
    )
    [evidence] = made.evidence
    assert evidence.box == pytest.approx((10, 10, 20, 20))
    assert (evidence.score, evidence.score_kind, evidence.label) == (0.91, "fixed_scale", "liver")
    assert text.startswith("E2: liver at [35,35,70,70]")


def test_a_relative_map_never_says_absent() -> None:
    text, made = run(tools(ct_volume(), relative=True)["ground"], phrase="spleen")
    assert made.facts["absent"] is None
    assert "absent;" not in text and "cannot decide absence" in text


def test_a_fixed_scale_says_absent_with_its_threshold() -> None:
    text, made = run(tools(ct_volume())["ground"], phrase="spleen")
    assert made.facts["absent"] is True and not made.evidence
    assert text == "spleen: absent; the best score 0.07 is below the threshold 0.5."


@pytest.mark.parametrize(
    ("box", "place"),
    [
        ((2, 2, 8, 8), {"side": "left", "patient": "right"}),
        ((50, 2, 60, 8), {"side": "right", "patient": "left"}),
        ((28, 2, 36, 8), {"side": "middle"}),
    ],
)
def test_the_side_of_a_region_is_told_for_the_image_and_the_patient(
    box: tuple[float, ...], place: dict[str, str]
) -> None:
    _, made = run(tools(ct_volume(), {"x": box})["ground"], phrase="x")
    assert made.facts["places"] == [place]


def test_a_region_of_another_slice_is_not_looked_for_in_a_view_of_this_one() -> None:
    ctx = context(ct_volume())
    other = run({t.name: t for t in make_tools(ctx)}["slice"], index=2)[1].views[0]
    wider = ToolContext(ctx.store, {**ctx.views, "V1": other}, ctx.evidence, None, LIMITS)
    named = {tool.name: tool for tool in make_tools(wider)}
    with pytest.raises(ToolError, match="another slice"):
        run(named["crop"], region="E1", view="V1")
    assert view_of(run(named["crop"], region="E1")[1]).slice_index == 10


def test_a_region_outside_a_view_is_named_as_such() -> None:
    ctx = context(ct_volume())
    corner = run({t.name: t for t in make_tools(ctx)}["crop"], box=[150, 150, 224, 224])[1].views[0]
    named = {t.name: t for t in make_tools(ToolContext(ctx.store, {**ctx.views, "V1": corner}, ctx.evidence))}
    with pytest.raises(ToolError, match="E1 does not lie in V1"):
        run(named["zoom"], region="E1", view="V1")


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        run(tools(ct_volume())["crop"], box=[0, 0, 9, 9], scale=2)


def test_every_tool_and_argument_is_described_in_the_prompt_files() -> None:
    for tool in make_tools(context(ct_volume()), list(TOOLS)):
        schema = tool.tool_call_schema.model_json_schema()  # type: ignore[union-attr]
        assert tool.description
        assert all(field.get("description") for field in schema["properties"].values()), tool.name


def test_evidence_survives_json_and_finds_its_source_again() -> None:
    image = ct_volume()
    ctx = context(image)
    back = Evidence.model_validate_json(ctx.evidence["E1"].model_dump_json())
    assert back == ctx.evidence["E1"]
    assert back.source_box(image).as_tuple() == pytest.approx((16, 16, 32, 32))
