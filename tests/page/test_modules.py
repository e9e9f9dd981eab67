"""The page's pure modules, run in Chromium: geometry, window and level, server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from foveate.tools.imaging.windows import Window, apply_window

from ..agent.scripted import ScriptedModel
from ..service.server import serving

FEW = settings(max_examples=12, deadline=None)
numbers = st.floats(-2000, 2000, allow_nan=False).map(lambda value: round(value, 3))
transforms = st.fixed_dictionaries({"scale": st.floats(0.05, 40), "x": numbers, "y": numbers})
aspects = st.sampled_from([{"x": 1, "y": 1}, {"x": 1, "y": 2.5}, {"x": 1.7, "y": 1}])


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    model = ScriptedModel(replies=["unused"])
    with serving(tmp_path_factory.mktemp("data"), model) as client:
        made = browser.new_page()
        made.goto(client.base)
        yield made
        made.close()


def run(page: Page, module: str, body: str, *arguments: Any) -> Any:
    """The value of a JavaScript expression over the module `m` and the arguments `a`."""
    script = f"async (a) => {{ const m = await import('/page/{module}.js'); return ({body}); }}"
    return page.evaluate(script, list(arguments))


@FEW
@given(transforms, aspects, st.tuples(numbers, numbers))
def test_to_screen_and_back_is_nothing(
    page: Page, transform: dict[str, float], aspect: dict[str, float], point: tuple[float, float]
) -> None:
    body = "m.toSource(a[0], a[1], m.toScreen(a[0], a[1], a[2]))"
    assert run(page, "geometry", body, transform, aspect, point) == pytest.approx(point, abs=1e-6)


@FEW
@given(transforms, aspects, st.tuples(numbers, numbers), st.floats(0.1, 10))
def test_a_zoom_leaves_its_point_in_place(
    page: Page,
    transform: dict[str, float],
    aspect: dict[str, float],
    point: tuple[float, float],
    factor: float,
) -> None:
    body = "[a[0], m.zoomAt(a[0], a[2], a[3])].map((t) => m.toSource(t, a[1], a[2]))"
    before, after = run(page, "geometry", body, transform, aspect, point, factor)
    assert after == pytest.approx(before, abs=1e-5)


@FEW
@given(st.integers(1, 3000), st.integers(1, 3000), aspects)
def test_a_fitted_slice_lies_in_the_middle_of_its_viewer(
    page: Page, width: int, height: int, aspect: dict[str, float]
) -> None:
    size, view = {"width": width, "height": height}, {"width": 640, "height": 480}
    body = "m.boxToScreen(m.fit(a[0], a[1], a[2]), a[1], [0, 0, a[0].width, a[0].height])"
    x0, y0, x1, y1 = run(page, "geometry", body, size, aspect, view)
    assert x0 + x1 == pytest.approx(640) and y0 + y1 == pytest.approx(480)
    assert min(x0, y0) == pytest.approx(8) and min(x0, y0) >= 7.999
    wanted = (width * aspect["x"]) / (height * aspect["y"])
    assert (x1 - x0) / (y1 - y0) == pytest.approx(wanted)


@FEW
@given(st.tuples(numbers, numbers), st.tuples(numbers, numbers))
def test_a_drawn_box_lies_on_the_slice_or_is_none(
    page: Page, first: tuple[float, float], second: tuple[float, float]
) -> None:
    size = {"width": 300, "height": 200}
    box = run(page, "geometry", "m.boxBetween(a[0], a[1], a[2])", first, second, size)
    assert box == run(page, "geometry", "m.boxBetween(a[1], a[0], a[2])", first, second, size)
    if box is None:
        overlap = [
            min(most, max(0, max(p, q))) - min(most, max(0, min(p, q)))
            for p, q, most in zip(first, second, (300, 200), strict=True)
        ]
        assert min(overlap) < 1.01
    else:
        x0, y0, x1, y1 = box
        assert 0 <= x0 < x1 <= 300 and 0 <= y0 < y1 <= 200


def test_the_aspect_makes_millimetres_square(page: Page) -> None:
    assert run(page, "geometry", "m.aspectOf([5, 0.5])") == {"x": 1, "y": 10}
    assert run(page, "geometry", "m.aspectOf(null)") == {"x": 1, "y": 1}


def test_the_smallest_box_under_the_pointer_is_hit(page: Page) -> None:
    items = [{"id": "E1", "box": [0, 0, 100, 100]}, {"id": "E2", "box": [40, 40, 60, 60]}]
    body = "[[50, 50], [10, 10], [200, 0]].map((p) => m.hit(a[0], p)?.id ?? null)"
    assert run(page, "geometry", body, items) == ["E2", "E1", None]


PAINT = (
    "(() => { const v = new globalThis[a[0]](a[1]); const out = new Uint32Array(v.length);"
    " m.paint(v, a[2], out); return [...out]; })()"
)
TYPES = {"int16": "Int16Array", "uint16": "Uint16Array", "uint8": "Uint8Array", "float32": "Float32Array"}


@FEW
@given(
    st.sampled_from(sorted(TYPES)),
    st.lists(st.integers(0, 200), min_size=1, max_size=40),
    st.floats(-1500, 1500, width=32),
    st.floats(0.5, 4000, width=32),
)
def test_the_window_is_the_servers_to_the_bit(
    page: Page, kind: str, steps: list[int], center: float, width: float
) -> None:
    low = center - width / 2
    values = np.array([low + width * step / 200 for step in steps])
    if kind != "float32":
        limits = np.iinfo(kind)
        values = np.clip(np.round(values), limits.min, limits.max)
    array = values.astype(kind)
    told = run(page, "levels", PAINT, TYPES[kind], array.tolist(), {"center": center, "width": width})
    wanted = apply_window(array, Window(center, width))
    assert [word & 0xFF for word in told] == wanted.tolist()
    assert all(word >> 24 == 255 and (word >> 8) & 0xFF == word & 0xFF for word in told)


def test_dragging_up_makes_brighter_and_right_makes_wider(page: Page) -> None:
    window = {"center": 40, "width": 400}
    up, right = run(page, "levels", "[m.dragged(a[0], 0, -30), m.dragged(a[0], 30, 0)]", window)
    assert up["center"] < 40 and up["width"] == 400
    assert right["width"] > 400 and right["center"] == 40


FEED = (
    "(() => { const got = []; const feed = m.parser((e) => got.push(e));"
    " for (const piece of a[0]) feed(piece); return got; })()"
)
STREAM = 'id: 1\nevent: token\ndata: {"delta": "a\\n"}\n\n: ping\n\nid: 2\nevent: end\ndata: x\ndata: y\n\n'


@FEW
@given(st.lists(st.integers(0, len(STREAM)), max_size=8).map(sorted), st.sampled_from(["\n", "\r\n"]))
def test_a_stream_reads_the_same_however_it_is_cut(page: Page, cuts: list[int], end: str) -> None:
    stream = STREAM.replace("\n", end)
    edges = [0, *cuts, len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert run(page, "sse", FEED, pieces) == [
        {"id": "1", "event": "token", "data": json.dumps({"delta": "a\n"})},
        {"id": "2", "event": "end", "data": "x\ny"},
    ]


def test_a_follower_comes_back_after_what_it_has_heard(page: Page) -> None:
    body = """await (async () => {
      const asked = [], got = [], lost = [];
      const say = (text) => new Response(new Blob([text]).stream());
      const parts = ["id: 1\\nevent: a\\ndata: 1\\n\\nid: 2\\nevent: a\\nda",
                     "id: 2\\nevent: a\\ndata: 2\\n\\n", null, "id: 3\\nevent: end\\ndata: 3\\n\\n"];
      const open = async (id) => {
        asked.push(id);
        const part = parts.shift();
        if (part === null) throw new TypeError("network");
        return say(part);
      };
      await m.follow(open, "end", (kind, data) => got.push(data), (gone) => lost.push(gone));
      return [asked, got, lost.filter(Boolean).length];
    })()"""
    assert run(page, "sse", body) == [[0, 1, 2, 2], [1, 2, 3], 3]


def test_every_file_of_the_page_is_served_with_its_type(page: Page) -> None:
    folder = Path(__file__).parents[2] / "agent" / "service" / "page"
    origin = page.evaluate("location.origin")
    for item in folder.iterdir():
        got = page.request.get(f"{origin}/page/{item.name}")
        assert got.status == 200 and got.body() == item.read_bytes()
        assert got.headers["x-content-type-options"] == "nosniff"
    missing = page.request.get(f"{origin}/page/..%2froutes.py")
    assert missing.status == 404


def test_a_check_says_what_it_held_against_the_boxes(page: Page) -> None:
    verdicts = [
        {"claim": 0, "what": "side", "said": "left", "holds": True},
        {"claim": 0, "what": "size", "said": "9 mm", "holds": False},
        {"claim": 1, "what": "relation", "said": "above", "holds": None},
    ]
    step = {"ok": True, "tool": "check", "observation": "", "facts": {"verdicts": verdicts}}
    assert run(page, "words", "m.stepSaid(a[0])", step) == (
        "side “left” agrees with the boxes; size “9 mm” does not agree with the boxes; "
        "relation “above” cannot be told from the boxes"
    )
    nothing = {**step, "facts": {"verdicts": []}}
    assert run(page, "words", "m.stepSaid(a[0])", nothing) == "nothing was said that a box can refute"
    asked = {**step, "observation": " yes ", "facts": {}}
    assert run(page, "words", "m.stepSaid(a[0])", asked) == "yes"
    assert run(page, "words", "m.stepTitle(a[0], a[1])", "check", {"kind": "geometry"}) == (
        "Check: claims against their boxes"
    )
