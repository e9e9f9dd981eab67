"""A vision-language model as a grounder: every family's boxes come back to source pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from foveate.agent.grounders.vlm import VlmSampler, vlm_grounder
from foveate.agent.models.boxtext import TextBox
from foveate.agent.models.content import decode_image
from foveate.agent.models.profiles import PROFILES, Profile, profile_named
from foveate.agent.models.scripted import ScriptedChatModel
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.registry import load_grounder
from foveate.tools.grounding.uncertainty.draws import Sampler
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View, flip_rotate, overview, render

from ...models.fake_server import completion, serving

PIXELS = np.random.default_rng(0).integers(0, 255, (1, 300, 480)).astype(np.uint8)
IMAGE = SourceImage(PIXELS)
VIEW = overview(IMAGE, 480)


class Heard(ScriptedChatModel):
    """A replay that keeps what it was asked."""

    asked: list[Any] = []  # noqa: RUF012 – a pydantic field

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(messages)
        return super()._generate(messages, *args, **kwargs)


def replying(text: str) -> Heard:
    return Heard(replies=[AIMessage(text)], asked=[])


def shown_size(profile: Profile) -> tuple[int, int]:
    """By hand: 480 x 300 within the family's sides."""
    top = (
        profile.max_side if profile.style == "compact" else min(profile.max_side, max(480, profile.min_side))
    )
    return top, round(300 * top / 480)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
@pytest.mark.parametrize("turn", [(0, False), (1, True)])
def test_every_familys_box_comes_back(profile: Profile, turn: tuple[int, bool]) -> None:
    """The box lies in the middle square, which is all that MAIRA-2 can name."""
    view = flip_rotate(VIEW, *turn)
    width, height = shown_size(profile)
    source = np.array([150.0, 60.0, 300.0, 210.0])
    scale = width / 480
    numbers = profile.box_from_view((source * scale).tolist(), width, height)
    model = replying(profile.write_boxes([TextBox("left lung", numbers)]))
    [found] = vlm_grounder(model, profile, "m").ground(view, IMAGE, ["left lung"])
    [region] = found.regions
    assert region.box.frame == view.frame
    step = max(profile.box.step(width, height, profile.resize)) / scale
    assert region.box.to_source().as_tuple() == pytest.approx(tuple(source), abs=step + 0.51)
    assert (found.score_kind, found.absent, region.score, found.forward_passes) == ("relative", None, 1.0, 1)
    image, text = model.asked[0][0].content
    assert decode_image(image).size == (width, height) and "left lung" in text["text"]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 1000), min_size=2, max_size=2, unique=True), st.integers(1, 3))
def test_boxes_keep_their_order(xs: list[int], count: int) -> None:
    low, high = sorted(xs)
    profile = profile_named("qwen3-vl")
    boxes = [TextBox("it", (low, 100 * i, high, 100 * i + 50)) for i in range(count)]
    [found] = vlm_grounder(replying(profile.write_boxes(boxes)), profile, "m").ground(VIEW, IMAGE, ["it"])
    assert [r.score for r in found.regions] == [1 / (i + 1) for i in range(count)]
    assert [r.box.y0 for r in found.regions] == pytest.approx([30.0 * i for i in range(count)])


def test_only_the_answer_of_a_thinking_model_counts() -> None:
    said = '<think>[{"bbox_2d": [0, 0, 9, 9]}]</think>[{"bbox_2d": [0, 0, 500, 500], "label": "it"}]'
    grounder = vlm_grounder(replying(said), profile_named("qwen3-vl"), "m")
    [found] = grounder.ground(VIEW, IMAGE, ["it"])
    assert [r.box.as_tuple() for r in found.regions] == [(0, 0, 240, 150)]


def test_univg_r1_answers_in_its_own_form() -> None:
    """Thousandths in <answer>, as its reward wants them; boxes that it thinks of do not count."""
    said = "<think>The box (1,1),(2,2) is too small.</think><answer>(250,200),(500,400)</answer>"
    model = replying(said)
    [found] = vlm_grounder(model, profile_named("univg-r1"), "m").ground(VIEW, IMAGE, ["it"])
    assert [r.box.as_tuple() for r in found.regions] == [(120, 60, 240, 120)]
    assert "in <answer> </answer> tags" in model.asked[0][0].content[1]["text"]


def test_maira_2_is_asked_as_it_was_taught() -> None:
    """Its boxes count in the centre square, here 300 x 300 at x from 90."""
    model = replying("<obj>left effusion<box><x20><y10><x69><y59></box></obj>")
    profile = profile_named("maira-2")
    [found] = vlm_grounder(model, profile, "m").ground(VIEW, IMAGE, ["left effusion"])
    box = found.regions[0].box.as_tuple()
    assert box == pytest.approx((90 + 0.205 * 300, 0.105 * 300, 90 + 0.695 * 300, 0.595 * 300), abs=0.5)
    asked = model.asked[0][0].content[1]["text"]
    assert asked.startswith("Repeat the following finding as a grounded phrase") and "left effusion" in asked


def test_no_box_is_no_verdict() -> None:
    [found] = vlm_grounder(replying("none"), profile_named("qwen3-vl"), "m").ground(VIEW, IMAGE, ["it"])
    assert found.regions == () and found.absent is None
    assert found.detail == {"boxes_written": 0}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('[{"bbox_2d": [0, 0, 1200, 500]}]', "lies outside 0 to 1000"),
        ('[{"bbox_2d": [500, 0, 100, 500]}]', "empty or reversed"),
        ('[{"bbox_2d": "here"}]', "list of four numbers"),
    ],
)
def test_a_box_that_the_convention_does_not_allow(said: str, told: str) -> None:
    grounder = vlm_grounder(replying(said), profile_named("qwen3-vl"), "m")
    with pytest.raises(GrounderError, match=told):
        grounder.ground(VIEW, IMAGE, ["it"])


def test_the_pocket_model_through_the_registry() -> None:
    """The real embedded model: it answers in its own convention or says clearly that it wrote no such box."""
    grounder = load_grounder("vlm@pocket")
    view: View = flip_rotate(VIEW, 0, True)
    try:
        [found] = grounder.ground(view, IMAGE, ["liver"])
    except GrounderError as error:
        assert "The model wrote a box that cannot be read" in str(error)
    else:
        assert all(r.box.frame == view.frame for r in found.regions)
        assert found.detail["boxes_written"] >= len(found.regions)


def test_samples_of_a_served_model_are_hypotheses() -> None:
    """Through the registry and HTTP: greedy once, then one request per seed at the temperature."""

    def said(request: dict[str, Any]) -> dict[str, Any]:
        low = {None: 100, 0: 110, 1: 600}.get(request.get("seed"))
        if low is None:
            return completion('[{"bbox_2d": [500, 0, 100, 500]}]')
        return completion(f'[{{"bbox_2d": [{low}, 100, {low + 200}, 300], "label": "it"}}]')

    with serving() as server:
        server.answer = said
        part = f"vlm:base_url={server.url},profile=qwen3-vl,temperature=0.9@openai:m"
        sure = load_grounder(f"sure:prompts=1,changes=0,samples=3({part})")
        [found] = sure.ground(VIEW, IMAGE, ["left lung"])
    told = found.detail["uncertainty"]
    assert [(r["temperature"], r.get("seed")) for r in server.requests] == [
        (0.0, None), (0.9, 0), (0.9, 1), (0.9, 2),
    ]  # fmt: skip
    assert told["count"] == 4 and told["miss_rate"] == 0.25 and 0.2 < told["consensus"] < 0.5
    assert "cannot be read" in found.detail["failed"]["vlm@openai:m, sample 3"]
    assert found.regions[0].box.as_tuple() == pytest.approx((50.4, 30, 146.4, 90), abs=3)


def test_samples_of_the_pocket_model() -> None:
    """The real embedded model, drawn from: every sample is a hypothesis, readable or not."""
    sure = load_grounder("sure:prompts=1,changes=0,samples=2(vlm@pocket+pocket)")
    [found] = sure.ground(VIEW, IMAGE, ["liver"])
    told, failed = found.detail["uncertainty"], found.detail.get("failed", {})
    greedy = "vlm@pocket" not in failed  # its likeliest answer may be no box that can be read
    assert told["count"] == 1 + greedy + 2 and told["asked"]["samples"] == 2 and not told["calibrated"]
    assert all("cannot be read" in reason for reason in failed.values())


def test_a_seed_draws_the_same_again() -> None:
    """The real embedded model's words at a temperature: alike for one seed, not for all."""
    grounder = load_grounder("vlm:temperature=1.5@pocket")
    assert isinstance(grounder, VlmSampler)
    finders = [grounder.drawn(seed) for seed in (0, 0, 1, 2)]
    picture = render(VIEW, IMAGE)
    said = [f.model.invoke([f._message(f._sized(picture), "liver")]).text for f in finders]  # type: ignore[attr-defined]
    assert said[0] == said[1] and len(set(said)) > 1


def test_a_replay_cannot_be_drawn_from() -> None:
    grounder = vlm_grounder(replying("none"), profile_named("qwen3-vl"), "m")
    assert not isinstance(grounder, Sampler)
    assert isinstance(load_grounder("vlm@pocket"), Sampler)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("vlm:temperature=0@pocket", "draws at a temperature above 0"),
        ("vlm@nonsense", "'vlm' cannot load 'nonsense'"),
        ("vlm:profile=nobody@pocket", "no model profile is called 'nobody'"),
        ("vlm:speed=1@pocket", "takes base_url=, profile="),
    ],
)
def test_what_cannot_be_loaded(spec: str, told: str) -> None:
    with pytest.raises(GrounderError, match=told):
        load_grounder(spec)
