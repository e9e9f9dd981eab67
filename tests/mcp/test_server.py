"""The tools and `ask` through the official client, in this process and over HTTP."""

from __future__ import annotations

import asyncio
import base64
import io
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client
from PIL import Image

from foveate.agent.mcp.server import Service

from ..agent.scripted import call
from .conftest import DEMO, NODULE, over_http, pictures, said, service, talk

ANSWER = call(
    "answer",
    text="There is a nodule.",
    confidence=0.9,
    claims=[{"text": "a nodule", "box": [134, 141, 150, 158], "view": "V1"}, {"text": "a large heart"}],
)


async def opened(client: Client, **given: Any) -> str:
    got = await client.call_tool("open_image", {"path": "chest_nodule.nii.gz", **given})
    assert not got.is_error, said(got)
    return str(got.structured_content["session"])


def test_the_tools_are_listed_with_schemas_and_words() -> None:
    async def work(client: Client) -> Any:
        assert "open_image" in (client.instructions or "")
        return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in talk(service(), work)}
    assert next(iter(tools)) == "open_image"
    assert {"ground", "zoom", "measure", "relate", "ask"} <= set(tools)
    assert "refine" not in tools
    for name, tool in tools.items():
        assert tool.description and tool.input_schema["type"] == "object"
        if name != "open_image":
            assert "session" in tool.input_schema["required"]


def test_look_find_zoom_and_measure() -> None:
    async def work(client: Client) -> list[Any]:
        session = await opened(client, window="lung")
        found = await client.call_tool("ground", {"session": session, "phrase": "nodule"})
        zoomed = await client.call_tool("zoom", {"session": session, "region": "E1"})
        sized = await client.call_tool("measure", {"session": session, "region": "E1"})
        return [found, zoomed, sized]

    found, zoomed, sized = talk(service(), work)
    assert "E1: nodule" in said(found)
    assert tuple(found.structured_content["evidence"][0]["box"]) == pytest.approx(NODULE, abs=0.01)
    [view] = zoomed.structured_content["views"]
    [picture] = pictures(zoomed)
    assert view["name"] == "V1" and Image.open(io.BytesIO(picture)).size == (view["width"], view["height"])
    assert "mm wide" in said(sized) and sized.structured_content["facts"]["unit"] == "mm"


def test_ask_and_ask_on() -> None:
    heard: list[tuple[float, str | None]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        heard.append((done, message))

    async def work(client: Client) -> list[Any]:
        session = await opened(client)
        asked = {"session": session, "question": "Is there a nodule?"}
        first = await client.call_tool("ask", asked, progress_callback=progress)
        sized = await client.call_tool("measure", {"session": session, "region": "E1"})
        again = await client.call_tool("ask", {"session": session, "question": "How large is it?"})
        about = await client.call_tool(
            "ask", {"session": session, "question": "What is this?", "box": [10, 10, 60, 60], "view": "V0"}
        )
        return [first, sized, again, about]

    small = call("answer", text="Small.", claims=[{"text": "small", "evidence": ["E1"]}])
    steps = [call("zoom", box=[100, 100, 180, 180]), ANSWER, small, call("measure", region="E2"), small]
    first, sized, again, about = talk(service(*steps), work)
    assert heard == [(1, "zoom")]
    words = said(first)
    assert words.startswith("There is a nodule.") and "- a nodule [E1]" in words
    assert "- a large heart (no evidence cited)" in words and "E1: a nodule, image 1, axial" in words
    result = first.structured_content
    assert result["claims"][0]["evidence"] == ["E1"] and "research" in result["notice"]
    assert result["images"][0]["name"] == "image 1"
    assert len(pictures(first)) == 1
    assert not sized.is_error and "mm wide" in said(sized), "the client can use what the model found"
    assert again.structured_content["evidence"][0]["box"] == result["evidence"][0]["box"]
    assert about.structured_content["steps"][0]["ok"]
    width = about.structured_content["steps"][0]["facts"]["width"]
    assert width == pytest.approx(width_of(50), rel=1e-3)


def width_of(pixels: float) -> float:
    """Millimetres of pixels of the opening view of the demo image."""
    from foveate.tools.imaging.open import open_image
    from foveate.tools.imaging.views import overview

    image = open_image(DEMO / "chest_nodule.nii.gz")
    view = overview(image, 768)
    spacing = image.plane_spacing(view.plane)
    assert spacing is not None
    return pixels * view.source_size[0] / view.width * spacing[1]


def test_a_model_that_fails_is_an_error_with_its_reason() -> None:
    async def work(client: Client) -> Any:
        session = await opened(client)
        return await client.call_tool("ask", {"session": session, "question": "What?"})

    got = talk(service(RuntimeError("secret words")), work)
    assert got.is_error and got.structured_content["stopped_by"] == "model_error"


REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("open_image", {}, "either a path or data"),
    ("open_image", {"path": "../../README.md"}, "outside the folders"),
    ("open_image", {"path": "/etc/passwd"}, "outside the folders"),
    ("open_image", {"path": "questions.json"}, "questions.json"),
    ("open_image", {"path": "nothing.png"}, "nothing.png"),
    ("open_image", {"data": "***"}, "not base64"),
    ("open_image", {"data": base64.b64encode(b"no image").decode()}, "image"),
    ("open_image", {"path": "upper_abdomen.dcm", "plane": "oblique"}, "no plane"),
    ("open_image", {"path": "upper_abdomen.dcm", "slice": 99}, "slice"),
    ("open_image", {"path": "upper_abdomen.dcm", "window": "rainbow"}, "rainbow"),
    ("zoom", {"session": "nobody's", "region": "E1"}, "no such session"),
    ("zoom", {"session": "MINE", "region": "E9"}, "no region E9"),
    ("zoom", {"session": "MINE", "box": [9, 9, 3, 3]}, "box"),
    ("zoom", {"session": "MINE", "box": [0, 0, 9999, 3]}, "outside"),
    ("zoom", {"session": "MINE", "colour": "red"}, "colour"),
    ("refine", {"session": "MINE"}, "no tool refine"),
    ("ask", {"session": "MINE", "question": ""}, "question"),
    ("ask", {"session": "MINE", "question": "What?", "view": "V7"}, "no view V7"),
]


def test_what_is_wrong_is_said_and_changes_nothing() -> None:
    made = service()

    async def work(client: Client) -> None:
        session = await opened(client)
        before = dict(made.spaces.get(session).state)
        for tool, arguments, words in REFUSALS:
            arguments = {key: session if value == "MINE" else value for key, value in arguments.items()}
            got = await client.call_tool(tool, arguments)
            assert got.is_error and words in said(got), (tool, arguments, said(got))
        assert dict(made.spaces.get(session).state) == before
        assert len(made.spaces._all) == 1 and len(made.store.list()) == 1

    talk(made, work)


def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link.dcm").symlink_to(DEMO / "upper_abdomen.dcm")

    async def work(client: Client) -> Any:
        return await client.call_tool("open_image", {"path": "link.dcm"})

    assert "outside the folders" in said(talk(service(roots=(tmp_path / "inside",)), work))


def test_closing_deletes_images_that_nobody_else_has() -> None:
    made = service()

    async def work(client: Client) -> list[int]:
        one, two = await opened(client), await opened(client)
        await client.call_tool("open_image", {"session": one, "path": "upper_abdomen.dcm"})
        counts = [len(made.store.list())]
        for session in (one, two):
            await client.call_tool("close", {"session": session})
            counts.append(len(made.store.list()))
        assert "no such session" in said(await client.call_tool("close", {"session": one}))
        return counts

    assert talk(made, work) == [2, 1, 0]


def test_sessions_are_bounded() -> None:
    from foveate.agent.mcp.workspace import MAX_WORKSPACES

    made = service()
    first = made.spaces.new()
    for _ in range(MAX_WORKSPACES - 1):
        made.spaces.new()
    made.spaces.get(first.name)  # used just now
    made.spaces.new()
    assert made.spaces.get(first.name) is first and len(made.spaces._all) == MAX_WORKSPACES


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 150).flatmap(lambda x: st.tuples(st.just(x), st.integers(x + 2, 222))),
    st.integers(0, 150).flatmap(lambda y: st.tuples(st.just(y), st.integers(y + 2, 222))),
)
def test_a_measured_box_comes_back_in_source_pixels(xs: tuple[int, int], ys: tuple[int, int]) -> None:
    made = shared()

    async def work(client: Client) -> Any:
        got = await client.call_tool("open_image", {"path": "upper_abdomen.dcm"})
        [view] = got.structured_content["views"]
        box = [xs[0], ys[0], xs[1], ys[1]]
        session = got.structured_content["session"]
        sized = await client.call_tool("measure", {"session": session, "box": box})
        return view, box, sized.structured_content["evidence"][0]["box"]

    view, box, source = talk(made, work)
    factor = [view["source_size"][0] / view["width"], view["source_size"][1] / view["height"]]
    assert source == pytest.approx([value * factor[i % 2] for i, value in enumerate(box)], abs=1e-3)


def shared(made: list[Service] = []) -> Service:  # noqa: B006  one service for all examples
    if not made:
        made.append(service())
    return made[0]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_everything_over_http(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "gray.png"
    gray = Image.new("L", (64, 48), 90)
    gray.paste(255, (48, 32, 64, 48))
    gray.save(path)

    async def work(address: str) -> list[Any]:
        async with Client(address, mode=mode) as client:
            data = base64.b64encode(path.read_bytes()).decode()
            shown = await client.call_tool("open_image", {"data": data})
            session = shown.structured_content["session"]
            zoomed = await client.call_tool("zoom", {"session": session, "box": [8, 8, 40, 40]})
            asked = await client.call_tool("ask", {"session": session, "question": "What?"})
            refused = await client.call_tool("open_image", {"path": str(path)})
            return [shown, zoomed, asked, refused]

    with over_http(service(roots=())) as address:
        shown, zoomed, asked, refused = asyncio.run(work(address))
    assert Image.open(io.BytesIO(pictures(shown)[0])).convert("L").getpixel((5, 5)) == 90
    assert zoomed.structured_content["views"][0]["region"] == [8, 8, 40, 40]
    assert asked.structured_content["abstained"] and "not answered" in said(asked)
    assert refused.is_error and "reads no files" in said(refused)


def test_http_wants_its_key_and_its_own_name() -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accept = {"accept": "application/json, text/event-stream"}
    with over_http(service(), key="k" * 24) as address:
        assert httpx.post(address, json=hello, headers=accept).status_code == 401
        wrong = {**accept, "authorization": "Bearer " + "x" * 24}
        assert httpx.post(address, json=hello, headers=wrong).status_code == 401
        right = {**accept, "authorization": "Bearer " + "k" * 24}
        assert httpx.post(address, json=hello, headers=right).status_code not in (401, 403, 421)
        rebound = {**right, "host": "evil.example"}
        assert httpx.post(address, json=hello, headers=rebound).status_code == 421
        foreign = {**right, "origin": "http://evil.example"}
        assert httpx.post(address, json=hello, headers=foreign).status_code == 403
