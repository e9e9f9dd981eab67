"""The page in Chromium: upload, ask, boxes under claims, marked boxes, cancel, reload, hostile words."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import tool
from PIL import Image
from playwright.sync_api import Page, expect

from foveate.agent.cli_serve import _run
from foveate.agent.service.keys import make_key

from ..agent.scripted import ScriptedModel, call
from ..service.conftest import DEMO, FOUND, LOOK, MEASURE, SIZED, draw
from ..service.server import Client, serving
from .conftest import Watched, opened

NODULE = DEMO / "chest_nodule.nii.gz"
TWO = call(
    "answer",
    text="A nodule and the aorta.",
    confidence=0.8,
    claims=[
        {"text": "a nodule", "box": [134, 141, 150, 158], "view": "V0"},
        {"text": "the aorta", "box": [110, 120, 128, 138], "view": "V0"},
        {"text": "the heart is large"},
    ],
)
CANNOT = call("answer", text="It is hidden.", abstained=True, reason="cannot_tell")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A server whose model looks, finds, measures, and then repeats its last answer."""
    with serving(tmp_path / "data", ScriptedModel(replies=[LOOK, FOUND, MEASURE, SIZED])) as made:
        yield made


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return draw(tmp_path / "scan.png")


def upload(page: Page, *files: Path, number: int = 1) -> None:
    page.set_input_files("#files", [str(path) for path in files])
    page.wait_for_selector(f'canvas[data-shown^="{number}/"]')


def ask(page: Page, question: str, turn: int = 1) -> None:
    page.fill("#question", question)
    page.press("#question", "Enter")
    page.wait_for_selector(f"[data-turn='{turn}'] .actions button")


def place(page: Page, box: list[float], pane: int = 0) -> list[float]:
    """Where a source box is in the window of the browser, by the page's own geometry."""
    script = """async ([box, pane]) => {
      const m = await import('/page/geometry.js');
      const canvas = document.querySelectorAll('canvas')[pane];
      const at = canvas.getBoundingClientRect();
      const [x0, y0, x1, y1] = m.boxToScreen(JSON.parse(canvas.dataset.transform), {x: 1, y: 1}, box);
      return [x0 + at.x, y0 + at.y, x1 + at.x, y1 + at.y];
    }"""
    return list(page.evaluate(script, [box, pane]))


def seen(page: Page) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)


def data(page: Page, name: str) -> str:
    return str(page.evaluate("(name) => document.querySelector('canvas').dataset[name] ?? ''", name))


def test_a_question_is_answered_with_boxes_over_the_pixels(watched: Watched, tmp_path: Path) -> None:
    with serving(tmp_path / "data", ScriptedModel(replies=[LOOK, TWO])) as client:
        page = opened(watched, client.base)
        expect(page.locator(".notice")).to_have_count(1)
        upload(page, NODULE)
        ask(page, "Is there a nodule?")
        expect(page.locator(".answer")).to_have_text("A nodule and the aorta.")
        expect(page.locator(".steps li b")).to_have_text(["Opening view", "Zoom"])
        expect(page.locator(".steps img")).to_have_count(2)
        expect(page.locator(".claims .note")).to_have_text(["no evidence cited"])
        assert data(page, "boxes") == "E1 E2" and data(page, "lit") == ""
        result = client.http.get(f"/v1/sessions/{page.url.split('#')[1]}").json()["turns"][0]["result"]
        for number, found in enumerate(result["evidence"]):
            page.mouse.move(5, 5)
            before = seen(page)
            page.hover(f".claims li >> nth={number}")
            assert data(page, "lit") == found["id"]
            after = seen(page)
            x0, y0, x1, y1 = (round(value) for value in place(page, found["box"]))
            inside = (slice(y0 + 4, y1 - 4), slice(x0 + 4, x1 - 4))
            assert (abs(after - before)[inside].max(axis=2) > 5).mean() > 0.9, "the lit box is filled"
            other = result["evidence"][1 - number]["box"]
            ox0, oy0, ox1, oy1 = (round(value) for value in place(page, other))
            assert (abs(after - before)[oy0 + 6 : oy1 - 6, ox0 + 6 : ox1 - 6] == 0).all()
        # and back: the pointer on a box lights its claim
        x0, y0, x1, y1 = place(page, result["evidence"][0]["box"])
        page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2)
        expect(page.locator(".claims li.lit p")).to_have_text(["a nodule"])


def test_boxes_stay_on_their_pixels_through_zoom_and_pan(watched: Watched, tmp_path: Path) -> None:
    shown = tmp_path / "dot.png"
    pixels = np.full((112, 224), 60, np.uint8)
    pixels[30:40, 100:120] = 200
    Image.fromarray(pixels).save(shown)
    reply = call("answer", text="A bar.", claims=[{"text": "a bar", "box": [100, 30, 120, 40], "view": "V0"}])
    with serving(tmp_path / "data", ScriptedModel(replies=[reply])) as client:
        page = opened(watched, client.base)
        upload(page, shown)
        ask(page, "Where is the bar?")
        page.mouse.move(*place(page, [60, 60, 61, 61])[:2])
        for _ in range(3):
            page.mouse.wheel(0, -120)
        page.mouse.down()
        page.mouse.move(*(value + 37 for value in place(page, [60, 60, 61, 61])[:2]), steps=3)
        page.mouse.up()
        page.mouse.move(5, 5)
        x0, y0, x1, y1 = (round(value) for value in place(page, [100, 30, 120, 40]))
        gray = seen(page).mean(axis=2)
    assert x1 - x0 > 100
    assert gray[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4].min() > 190, "the bar fills its box"
    around = [gray[y0 - 40, x0 + 40], gray[y1 + 8, x0 + 40], gray[y0 + 10, x0 - 8], gray[y0 + 10, x1 + 8]]
    assert max(around) < 70, "and nothing of it lies outside"


def test_the_canvas_shows_what_the_server_draws(watched: Watched, client: Client) -> None:
    page = opened(watched, client.base)
    upload(page, DEMO / "upper_abdomen.dcm")
    script = """async () => {
      const { Slices } = await import('/page/slices.js');
      const { slicePng } = await import('/page/api.js');
      const id = location.hash.slice(1);
      const image = (await (await fetch(`/v1/sessions/${id}`)).json()).images[0];
      const plane = Object.keys(image.about.planes)[0];
      const window = {center: -600, width: 1500};
      const { canvas } = await new Slices(id).picture(image, plane, 0, window);
      const drawn = await createImageBitmap(await slicePng(id, 1, plane, 0, window));
      const pixels = (source) => {
        const own = new OffscreenCanvas(source.width, source.height).getContext('2d');
        own.drawImage(source, 0, 0);
        return own.getImageData(0, 0, source.width, source.height).data;
      };
      const [mine, theirs] = [pixels(canvas), pixels(drawn)];
      return [mine.length, theirs.length, mine.filter((v, i) => v !== theirs[i]).length, new Set(mine).size];
    }"""
    mine, theirs, different, grays = page.evaluate(script)
    assert mine == theirs == 4 * 512 * 512
    assert different == 0 and grays > 100


class Hesitant(ScriptedModel):
    """Says half of its reply, and the rest when it is let go."""

    go: Any = None

    def _stream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        reply = str(self.replies[0])
        middle = reply.index("there")
        yield ChatGenerationChunk(message=AIMessageChunk(reply[:middle]))
        self.go.wait(60)
        yield ChatGenerationChunk(message=AIMessageChunk(reply[middle:]))


def test_the_answer_is_shown_while_it_comes(watched: Watched, tmp_path: Path, picture: Path) -> None:
    go = threading.Event()
    with serving(tmp_path / "data", Hesitant(replies=[FOUND], go=go)) as client:
        page = opened(watched, client.base)
        upload(page, picture)
        page.fill("#question", "Is there a spot?")
        page.press("#question", "Enter")
        expect(page.locator(".answer")).to_have_text("It is")
        expect(page.locator("#send")).to_be_hidden()
        page.reload()  # a running turn is taken up again, from its first event
        expect(page.locator(".answer")).to_have_text("It is")
        go.set()
        expect(page.locator(".answer")).to_have_text("It is there.")
        expect(page.locator("#send")).to_be_visible()


def test_steps_are_shown_while_they_run_and_a_question_can_be_stopped(
    watched: Watched, tmp_path: Path, picture: Path
) -> None:
    let_go = threading.Event()

    @tool
    def wait() -> str:
        """Waits for the test."""
        return "done" if let_go.wait(20) else "late"

    model = ScriptedModel(replies=[call("wait"), CANNOT])
    with serving(tmp_path / "data", model, agent={"tools": [wait]}) as client:
        page = opened(watched, client.base)
        upload(page, picture)
        page.fill("#question", "What?")
        page.press("#question", "Enter")
        expect(page.locator(".steps .running b")).to_have_text("wait")
        expect(page.locator("#send")).to_be_hidden()
        page.click("#stop")
        expect(page.locator(".state")).to_have_text("You stopped this question; there is no answer.")
        expect(page.locator("#live")).to_have_text("You stopped this question; there is no answer.")
        let_go.set()
        ask(page, "And now?", turn=2)
        expect(page.locator("[data-turn='2'] .facts .open")).to_have_text("Cannot tell")


def test_a_box_is_drawn_and_asked_about(watched: Watched, tmp_path: Path, picture: Path) -> None:
    model = ScriptedModel(replies=[call("measure", region="E1"), CANNOT])
    with serving(tmp_path / "data", model) as client:
        page = opened(watched, client.base)
        upload(page, picture)
        page.check("input[value=box]", force=True)
        x0, y0, x1, y1 = place(page, [20, 30, 80, 70])
        page.mouse.move(x0, y0)
        page.mouse.down()
        page.mouse.move(x1, y1, steps=4)
        page.mouse.up()
        expect(page.locator("#marked-text")).to_have_text("Box on scan.png")
        ask(page, "What is in the box?")
        turn = client.http.get(f"/v1/sessions/{page.url.split('#')[1]}/turns/1").json()
        [marked] = client.http.get(f"/v1/sessions/{page.url.split('#')[1]}/evidence").json()["evidence"]
        expect(page.locator("#marked")).to_be_hidden()
    assert marked["box"] == pytest.approx([20, 30, 80, 70], abs=0.5) and marked["tool"] == "user"
    assert turn["result"]["steps"][0]["facts"]["width"] == pytest.approx(60, abs=1)


def test_everything_can_be_done_with_keys(watched: Watched, tmp_path: Path) -> None:
    model = ScriptedModel(replies=[TWO])
    with serving(tmp_path / "data", model) as client:
        page = opened(watched, client.base)
        upload(page, NODULE)
        page.focus("canvas")
        before = json.loads(data(page, "transform"))["scale"]
        page.keyboard.press("+")
        assert json.loads(data(page, "transform"))["scale"] > before
        page.keyboard.press("0")
        assert json.loads(data(page, "transform"))["scale"] == before
        page.keyboard.press("b")
        first = [float(value) for value in data(page, "mark").split()]
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
        second = [float(value) for value in data(page, "mark").split()]
        assert second[0] > first[0] and second[3] - second[1] > first[3] - first[1]
        page.keyboard.press("Escape")
        assert data(page, "mark") == ""
        page.focus("#question")
        page.keyboard.type("Is there a nodule?")
        page.keyboard.press("Enter")
        page.wait_for_selector(".actions button")
        page.focus(".chip >> nth=1")
        assert data(page, "lit") == "E2"
        label = page.get_attribute("canvas", "aria-label") or ""
        assert "E1 a nodule" in label and "W 400 L 40" in label
        for control in page.locator("button:visible, input:visible, select:visible, textarea:visible").all():
            assert control.evaluate("(e) => e.ariaLabel || e.innerText || e.labels?.length"), "has a name"


def test_the_view_shown_opens_the_question(watched: Watched, tmp_path: Path) -> None:
    volume = tmp_path / "volume.nii.gz"
    import nibabel

    cube = np.random.default_rng(1).integers(-900, 900, (8, 8, 12)).astype(np.int16)
    cube = cube.repeat(5, 0).repeat(5, 1)
    nibabel.save(nibabel.Nifti1Image(cube, np.diag([2.0, 2.0, 5.0, 1.0])), volume)
    with serving(tmp_path / "data", ScriptedModel(replies=[CANNOT])) as client:
        page = opened(watched, client.base)
        upload(page, volume)
        expect(page.locator("#here-label")).to_be_hidden()
        page.focus("canvas")
        page.keyboard.press("PageDown")
        page.wait_for_selector('canvas[data-shown="1/axial/11"]')
        expect(page.locator("#here")).to_be_checked()
        page.keyboard.press("]")
        ask(page, "What is here?")
        session = page.url.split("#")[1]
        [view] = client.http.get(f"/v1/sessions/{session}/evidence").json()["views"]
        assert view["slice_index"] == 11 and view["operation"].startswith("window")
        page.select_option("#plane", "coronal")
        page.wait_for_selector('canvas[data-shown^="1/coronal/"]')


def test_two_images_stand_side_by_side(watched: Watched, client: Client, tmp_path: Path) -> None:
    page = opened(watched, client.base)
    upload(page, draw(tmp_path / "one.png"), draw(tmp_path / "two.png", 140))
    expect(page.locator(".tab")).to_have_text(["one.png", "two.png"])
    page.check("#side")
    page.wait_for_selector('.pane:nth-child(2) canvas[data-shown="2/image/0"]')
    ask(page, "Is there a spot?")
    # the claim's box is on the first image only
    boxes = page.evaluate("[...document.querySelectorAll('canvas')].map((c) => c.dataset.boxes)")
    assert boxes == ["E1", ""]
    page.click(".pane:nth-child(2) canvas")
    expect(page.locator(".tab[aria-pressed=true]")).to_have_text("two.png")
    page.uncheck("#side")
    expect(page.locator("canvas")).to_have_count(1)


def test_a_reload_keeps_the_session_and_downloads_work(
    watched: Watched, client: Client, picture: Path
) -> None:
    page = opened(watched, client.base)
    upload(page, picture)
    ask(page, "Is there a spot?")
    page.reload()
    page.wait_for_selector("[data-turn='1'] .actions button")
    expect(page.locator(".answer")).to_have_text("It is there.")
    expect(page.locator(".steps li b")).to_have_text(["Opening view", "Zoom"])
    expect(page.locator("canvas")).to_have_attribute("data-boxes", "E1")
    ask(page, "How large is it?", turn=2)
    expect(page.locator("[data-turn='2'] .answer")).to_have_text("It is small.")
    with page.expect_download() as got:
        page.click("[data-turn='2'] >> text=Answer JSON")
    assert json.loads(got.value.path().read_text())["claims"][0]["evidence"] == ["E1"]
    with page.expect_download() as got:
        page.click("[data-turn='1'] >> text=Overlay PNG")
    assert Image.open(got.value.path()).format == "PNG"
    page.click("#earlier")
    expect(page.locator("#sessions li")).to_have_count(1)
    expect(page.locator("#sessions li")).to_contain_text("1 image, 2 questions")
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#sessions >> text=Delete")
    expect(page.locator("#empty")).to_be_visible()
    assert client.http.get("/v1/sessions").json()["sessions"] == []


def test_the_failure_of_a_model_is_told(watched: Watched, tmp_path: Path, picture: Path) -> None:
    with serving(tmp_path / "data", ScriptedModel(replies=[RuntimeError("down")])) as client:
        page = opened(watched, client.base)
        upload(page, picture)
        ask(page, "What?")
        expect(page.locator(".state.fault")).to_contain_text("The model failed")


def test_a_refusal_shows_the_problems_own_words(watched: Watched, client: Client, tmp_path: Path) -> None:
    watched.allowed = ("422",)  # Chromium notes every refused request
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    page = opened(watched, client.base)
    page.set_input_files("#files", str(broken))
    expect(page.locator("#fault")).to_contain_text("The image cannot be opened")
    upload(page, draw(tmp_path / "fine.png"))
    expect(page.locator("#fault")).to_be_hidden()


BAD = "<img src=x onerror=\"document.title='owned'\">"


def test_hostile_words_are_only_words(watched: Watched, tmp_path: Path) -> None:
    reply = call(
        "answer",
        text=f"Seen {BAD}",
        claims=[{"text": f"claim {BAD}", "box": [10, 10, 60, 40], "view": "V0"}],
    )
    steps = [call("zoom", box=[10, 10, 100, 60], view=BAD), reply]
    with serving(tmp_path / "data", ScriptedModel(replies=steps)) as client:
        page = opened(watched, client.base)
        upload(page, draw(tmp_path / "<img src=x onerror=document.title='owned'>.png"))
        ask(page, f"Is {BAD} there?")
        page.hover(".claims li")
        for where, words in ((".answer", "Seen"), (".claims li > p", "claim"), (".turn h2", "Is")):
            expect(page.locator(where)).to_contain_text(f"{words} {BAD}")
        expect(page.locator(".tab")).to_contain_text("<img src=x")
        assert page.title() == "Foveate"
        assert page.locator("img[src=x]").count() == 0


def test_a_key_is_asked_for_once(watched: Watched, tmp_path: Path, picture: Path) -> None:
    watched.allowed = ("401",)
    with ThreadPoolExecutor(1) as pool:  # Playwright has an event loop of its own on this thread
        key = pool.submit(_run, tmp_path / "data", None, lambda base: make_key(base, "reader")).result()
    with serving(tmp_path / "data", ScriptedModel(replies=[FOUND]), key=key) as client:
        page = watched.page
        page.goto(client.base)
        page.fill("#key", key)
        page.press("#key", "Enter")
        page.wait_for_selector("body[data-ready=true]")
        upload(page, picture)
        ask(page, "Is there a spot?")
        expect(page.locator(".chip img")).to_have_attribute("src", re.compile("^blob:"))
        assert page.locator(".chip img").evaluate("(e) => e.decode().then(() => e.naturalWidth)") > 0
        expect(page.locator("#key-dialog")).to_be_hidden()
