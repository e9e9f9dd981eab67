"""Every family's boxes, from its own text to source pixels and back, through views, crops and zooms."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from foveate.agent.models.boxtext import TextBox
from foveate.agent.models.conventions import BoxConvention, BoxConventionError
from foveate.agent.models.errors import ModelError
from foveate.agent.models.profiles import PROFILES, Profile, profile_for, profile_named
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View, crop, flip_rotate, overview, zoom

Corners = tuple[float, float, float, float]
families = pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
unit = st.floats(0.0, 1.0)
sizes = st.tuples(st.integers(120, 900), st.integers(120, 900))


def picture(width: int, height: int) -> SourceImage:
    return SourceImage(pixels=np.zeros((1, height, width), np.uint8), name="test")


def through(view: View, way: list[str], inner: Corners) -> View:
    """The view after a chain of crops, zooms and turns, each around the part `inner` of the one before."""
    x0, y0, x1, y1 = inner
    for step in way:
        box = view.frame.box(x0 * view.width, y0 * view.height, x1 * view.width, y1 * view.height)
        if step == "crop":
            view = crop(view, box)
        elif step == "zoom":
            view = zoom(view, box, target_side=640)
        else:
            view = flip_rotate(view, 1, True)
    return view


def nameable_part(profile: Profile, view: View) -> Corners:
    """The part of a view, in its pixels, that the family can name at all."""
    if profile.box.field != "center_square":
        return 0.0, 0.0, float(view.width), float(view.height)
    side = min(view.width, view.height)
    left, top = (view.width - side) / 2, (view.height - side) / 2
    return left, top, left + side, top + side


def box_within(part: Corners, where: Corners) -> Corners:
    left, top, right, bottom = part
    xs, ys = sorted((where[0], where[2])), sorted((where[1], where[3]))
    width, height = right - left, bottom - top
    assume((xs[1] - xs[0]) * width > 1 and (ys[1] - ys[0]) * height > 1)
    return left + xs[0] * width, top + ys[0] * height, left + xs[1] * width, top + ys[1] * height


@families
@settings(max_examples=60, deadline=None)
@given(
    size=sizes,
    way=st.lists(st.sampled_from(["crop", "zoom", "turn"]), max_size=3),
    inner=st.tuples(st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0.6, 1), st.floats(0.6, 1)),
    where=st.tuples(unit, unit, unit, unit),
)
def test_source_to_text_to_source(
    profile: Profile, size: tuple[int, int], way: list[str], inner: Corners, where: Corners
) -> None:
    view = through(overview(picture(*size), profile.max_side), way, inner)
    box = view.frame.box(*box_within(nameable_part(profile, view), where))
    numbers = profile.box_from_view(box.as_tuple(), view.width, view.height)
    [read] = profile.parse_boxes(profile.write_boxes([TextBox("left lung", numbers)]))
    assert read.numbers == pytest.approx(numbers)
    found = view.frame.box(*profile.box_to_view(read.numbers, view.width, view.height))
    # one step of the family's numbers, in the view and then in the source; half a step more for a box that
    # lies within one bin at the edge and can only be widened inwards
    steps = profile.box.step(view.width, view.height, profile.resize)
    x0, y0, x1, y1 = box.as_tuple()
    binned = profile.box.scale in ("loc1024", "loc1000", "bins100")
    thin = binned and (x1 - x0 < steps[0] or y1 - y0 < steps[1])
    slack = max(steps) * (1.5 if thin else 1.0)
    assert found.as_tuple() == pytest.approx(box.as_tuple(), abs=slack + 1e-6)
    affine = view.frame.affine
    scale = max(abs(affine.a) + abs(affine.b), abs(affine.d) + abs(affine.e))
    back, true = view.frame.to_source(found), view.frame.to_source(box)
    assert back.as_tuple() == pytest.approx(true.as_tuple(), abs=slack * scale + 1e-6)


@pytest.mark.parametrize(
    ("where", "bins"),
    [
        ((0.991, 0.996), (98, 99)),
        ((0.001, 0.004), (0, 1)),
        ((0.501, 0.502), (49, 50)),
        ((0.508, 0.509), (50, 51)),
    ],
)
def test_a_box_within_one_bin_is_widened_to_the_side_that_it_is_nearer_to(
    where: tuple[float, float], bins: tuple[int, int]
) -> None:
    box = BoxConvention("xyxy", "bins100")
    numbers = box.from_view((0.0, where[0] * 100, 100.0, where[1] * 100), 100, 100, lambda w, h: (w, h))
    assert (numbers[1], numbers[3]) == bins


# What the authors' own code makes of a text, worked out by hand for a view of 400 x 200.
KNOWN = [
    ("pocket", "[100, 50, 200, 150]", (100, 50, 200, 150)),
    (
        "qwen2-vl",
        "<|object_ref_start|>heart<|object_ref_end|><|box_start|>(250,250),(500,750)<|box_end|>",
        (100, 50, 200, 150),
    ),
    # 400 x 200 is resized to 392 x 196
    (
        "qwen2.5-vl",
        '```json\n[{"bbox_2d": [98, 49, 196, 147], "label": "heart"}]\n```',
        (100, 50, 200, 150),
    ),
    # of its own reward: only the numbers of the answer; a server may strip the box tokens
    ("univg-r1", "(250, 250), (500, 750)", (100, 50, 200, 150)),
    # 400 x 200 is resized to 392 x 196
    ("medseq-grounder", "<|box_start|>(98,49),(196,147)<|box_end|>", (100, 50, 200, 150)),
    ("qwen3-vl", '{"bbox_2d": [250, 250, 500, 750], "label": "heart"}', (100, 50, 200, 150)),
    ("internvl", "<ref>heart</ref><box>[[250, 250, 500, 750]]</box>", (100, 50, 200, 150)),
    ("gemma", '```json\n[{"box_2d": [250, 250, 750, 500], "label": "heart"}]\n```', (100, 50, 200, 150)),
    ("gemini", '[{"box_2d": [250, 250, 750, 500], "label": "heart"}]', (100, 50, 200, 150)),
    ("paligemma", "<loc0256><loc0256><loc0768><loc0512> heart", (100, 50, 200, 150)),
    ("florence-2", "heart<loc_250><loc_250><loc_500><loc_750>", (100.2, 50.1, 200.2, 150.1)),
    # the centre square is x from 100 to 300
    ("maira-2", "<obj>heart<box><x10><y25><x50><y75></box></obj>", (121, 51, 201, 151)),
    ("radvlm", "The heart is at [0.25, 0.25, 0.50, 0.75].", (100, 50, 200, 150)),
    ("chexagent", "<|ref|>heart<|/ref|><|box|> (25,25),(50,75) <|/box|>", (100, 50, 200, 150)),
    ("generic", "[250, 250, 500, 750]", (100, 50, 200, 150)),
]


@pytest.mark.parametrize(("name", "text", "wanted"), KNOWN, ids=[name for name, _, _ in KNOWN])
def test_known_text(name: str, text: str, wanted: Corners) -> None:
    profile = profile_named(name)
    [box] = profile.parse_boxes(text)
    assert profile.box_to_view(box.numbers, 400, 200) == pytest.approx(wanted)
    assert box.label in ("heart", "")


def test_every_family_has_a_known_text() -> None:
    assert {name for name, _, _ in KNOWN} == {profile.name for profile in PROFILES}


@families
@settings(max_examples=150, deadline=None)
@given(size=sizes, numbers=st.tuples(*[st.floats(-2000, 3000) | st.integers(-50, 1500)] * 4))
def test_numbers_give_a_box_inside_the_view_or_an_error(
    profile: Profile, size: tuple[int, int], numbers: tuple[float, ...]
) -> None:
    try:
        x0, y0, x1, y1 = profile.box_to_view(numbers, *size)
    except BoxConventionError as error:
        assert str(error)
        return
    assert 0 <= x0 < x1 <= size[0] and 0 <= y0 < y1 <= size[1]


@families
@pytest.mark.parametrize(
    "numbers",
    [(1, 2, 3), (1, 2, 3, 4, 5), (1, 2, math.nan, 4), (1, 2, math.inf, 4), (True, 2, 3, 4), ("1", 2, 3, 4)],
)
def test_not_four_numbers(profile: Profile, numbers: tuple[float, ...]) -> None:
    with pytest.raises(BoxConventionError):
        profile.box_to_view(numbers, 300, 300)


def test_a_box_too_thin_to_be_one() -> None:
    with pytest.raises(BoxConventionError, match="no width or no height"):
        profile_named("qwen2-vl").box_to_view((0.0, 0.0, 1.0, 5e-324), 120, 120)


@families
def test_reversed_box_is_not_turned_round(profile: Profile) -> None:
    low, high = (0.1, 0.9) if profile.box.scale == "0-1" else (10, 90)
    with pytest.raises(BoxConventionError, match="empty or reversed"):
        profile.box_to_view((high, low, low, high), 300, 300)


def test_thousandths_are_not_taken_for_pixels_nor_pixels_for_thousandths() -> None:
    with pytest.raises(BoxConventionError, match="outside 0 to 224"):
        profile_named("pocket").box_to_view((100, 100, 900, 900), 224, 224)
    with pytest.raises(BoxConventionError, match="outside 0 to 1000"):
        profile_named("qwen3-vl").box_to_view((0, 0, 1500, 900), 2000, 2000)
    with pytest.raises(BoxConventionError, match="outside 0 to 1"):
        profile_named("radvlm").box_to_view((10, 10, 20, 20), 224, 224)


def test_maira2_cannot_name_what_its_crop_leaves_out() -> None:
    with pytest.raises(BoxConventionError, match="the part of the view"):
        profile_named("maira-2").box_from_view((0, 0, 50, 50), 400, 200)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("pocket", "pocket"),
        ("openai:pocket", "pocket"),
        ("openai:Qwen/Qwen2-VL-7B-Instruct", "qwen2-vl"),
        ("openai:Qwen/Qwen2.5-VL-72B-Instruct-AWQ", "qwen2.5-vl"),
        ("openai:Qwen/Qwen3-VL-32B-Instruct", "qwen3-vl"),
        ("openai:GD-ML/UniVG-R1", "univg-r1"),
        ("openai:MedSG-Bench/MedSeq-Grounder", "medseq-grounder"),
        ("openai:OpenGVLab/InternVL3_5-8B", "internvl"),
        ("openai:google/medgemma-1.5-4b-it", "gemma"),
        ("hf:google/paligemma2-3b-mix-448", "paligemma"),
        ("hf:microsoft/Florence-2-large", "florence-2"),
        ("hf:microsoft/maira-2", "maira-2"),
        ("openai:KrauthammerLab/RadVLM", "radvlm"),
        ("hf:StanfordAIMI/CheXagent-2-3b", "chexagent"),
        ("openai:gemini-3-flash-preview", "gemini"),
        ("openai:gpt-5", "generic"),
    ],
)
def test_profile_by_name(spec: str, name: str) -> None:
    assert profile_for(spec).name == name


def test_profile_by_declared_model_type(tmp_path: Path) -> None:
    folder = tmp_path / "some-internvl-name"  # the folder's name is not what counts
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3_vl"}))
    assert profile_for(f"hf:{folder}").name == "qwen3-vl"
    (folder / "config.json").write_text(json.dumps({"model_type": "unknown"}))
    assert profile_for(f"hf:{folder}").name == "internvl"
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl", "foveate_profile": "pocket"}))
    assert profile_for(f"hf:{folder}").name == "pocket"
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json"):
        profile_for(f"hf:{folder}")


def test_a_checkpoint_declares_its_own_pixel_limits(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}))
    assert profile_for(f"hf:{tmp_path}").resize(1400, 1400) == (1400, 1400)
    limits = {"patch_size": 14, "merge_size": 2, "min_pixels": 3136, "max_pixels": 784 * 100}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(limits))
    profile = profile_for(f"hf:{tmp_path}")
    assert profile.resize(1400, 1400) == (280, 280)
    assert profile.box_to_view((140, 140, 280, 280), 1400, 1400) == (700, 700, 1400, 1400)


def test_unknown_profile_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"qwen2\.5-vl"):
        profile_named("qwen9")


@pytest.mark.parametrize(
    ("folder", "model_type", "name"),
    [
        ("MedSeq-Grounder", "qwen2_5_vl", "medseq-grounder"),
        ("UniVG-R1", "qwen2_vl", "univg-r1"),
        ("my-qwen", "qwen2_5_vl", "qwen2.5-vl"),
    ],
)
def test_a_fine_tunes_name_tells_more_than_its_class(
    folder: str, model_type: str, name: str, tmp_path: Path
) -> None:
    """Both fine-tunes have their base's `model_type` and a form of their own."""
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    assert profile_for(f"hf:{tmp_path / folder}").name == name
