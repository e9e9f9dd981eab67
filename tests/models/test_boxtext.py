"""The text forms of boxes: read exactly, or refused with a reason."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.agent.models.boxtext import BoxTextError, TextBox
from foveate.agent.models.conventions import BoxConventionError
from foveate.agent.models.profiles import PROFILES, Profile, profile_named

families = pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)


@families
def test_prose_holds_no_box(profile: Profile) -> None:
    assert profile.parse_boxes("No nodule, 12 mm or larger, is visible (series 3, slice 40).") == ()


@families
def test_several_boxes_keep_their_order(profile: Profile) -> None:
    unit = 0.01 if profile.box.scale == "0-1" else 1
    boxes = [
        TextBox("a", tuple(n * unit for n in (10, 20, 30, 40))),
        TextBox("b", tuple(n * unit for n in (5, 6, 7, 8))),
    ]
    read = profile.parse_boxes(profile.write_boxes(boxes))
    assert [box.numbers for box in read] == [pytest.approx(box.numbers) for box in boxes]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("qwen2-vl", "<|box_start|>(1,2),(3)<|box_end|>"),
        ("qwen2-vl", "<|box_start|>(1,2),(3,4)"),
        ("qwen2.5-vl", '[{"bbox_2d": [1, 2, 3], "label": "x"}]'),
        ("qwen2.5-vl", '[{"bbox_2d": ["1", 2, 3, 4]}]'),
        ("qwen2.5-vl", '[{"bbox_2d": [1, 2, 3, 4], "label": "x"'),
        ("qwen3-vl", 'The box is "bbox_2d": [1, 2, 3, 4]'),
        ("internvl", "<box>[[1, 2, 3, 4]</box>"),
        ("internvl", "<box>[1, 2, 3, 4]</box>"),
        ("gemma", '[{"box_2d": 5}]'),
        ("paligemma", "<loc0001><loc0002><loc0003> heart"),
        ("paligemma", "<loc1><loc2><loc3><loc4> heart"),
        ("paligemma", "heart at <loc0001><loc0002><loc0003><loc0004>"),
        ("florence-2", "heart<loc_1><loc_2><loc_3>"),
        ("florence-2", "heart<loc_1><loc_2><loc_3><loc_x>"),
        ("maira-2", "<obj>heart<box><x1><y2><x3></box></obj>"),
        ("maira-2", "<obj>heart<box><x1><y2><x3><y4></obj>"),
        ("radvlm", "[0.1, 0.2, 0.3]"),
        ("chexagent", "<|box|> (1,2) <|/box|>"),
        ("pocket", "[1, 2, 3, 4"),
        ("generic", "[1, 2, 3, 4, 5]"),
    ],
)
def test_a_box_that_is_opened_but_not_in_form_is_an_error(name: str, text: str) -> None:
    with pytest.raises(BoxTextError):
        profile_named(name).parse_boxes(text)


def test_one_phrase_with_two_boxes() -> None:
    text = "<obj>both lungs<box><x1><y2><x3><y4></box><box><x5><y6><x7><y8></box></obj><obj>no effusion</obj>"
    boxes = profile_named("maira-2").parse_boxes(text)
    assert boxes == (TextBox("both lungs", (1, 2, 3, 4)), TextBox("both lungs", (5, 6, 7, 8)))
    boxes = profile_named("florence-2").parse_boxes(
        "</s><s>lung<loc_1><loc_2><loc_3><loc_4><loc_5><loc_6><loc_7><loc_8></s>"
    )
    assert boxes == (TextBox("lung", (1, 2, 3, 4)), TextBox("lung", (5, 6, 7, 8)))


def test_paligemma_segmentation_tokens_are_not_taken_for_the_label() -> None:
    seg = "".join(f"<seg{i:03d}>" for i in range(16))
    boxes = profile_named("paligemma").parse_boxes(
        f"<loc0001><loc0002><loc0003><loc0004> {seg} liver ; <loc0005><loc0006><loc0007><loc0008> spleen"
    )
    assert [box.label for box in boxes] == ["liver", "spleen"]


MARKS = """<loc0001> <loc_5> <box> </box> [ ] [[ <x1> <y2> <|box|> <|box_start|> (1,2) , <obj> {"bbox_2d":
"box_2d" 12 0.5 -3 ```json ``` lung ; """
pieces = st.sampled_from([*MARKS.split(), "\n", "\u0660", "\x00"])


@families
@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=60) | st.lists(pieces, max_size=14).map("".join))
def test_any_text_gives_boxes_of_four_numbers_or_a_reason(profile: Profile, text: str) -> None:
    try:
        boxes = profile.parse_boxes(text)
    except BoxTextError as error:
        assert str(error)
        return
    assert all(len(box.numbers) == 4 for box in boxes)


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_of_many_digits_is_no_crash(digits: int) -> None:
    text = '[{"bbox_2d": [0, 0, 5, ' + "9" * digits + "]}]"
    try:
        [box] = profile_named("qwen3-vl").parse_boxes(text)
    except BoxTextError:
        return
    with pytest.raises(BoxConventionError):
        profile_named("qwen3-vl").box_to_view(box.numbers, 100, 100)
