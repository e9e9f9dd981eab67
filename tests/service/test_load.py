"""Many sessions at once: everybody gets their own answer, and no event is lost."""

from __future__ import annotations

import base64
import gc
import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from PIL import Image

from foveate.agent.service.settings import Bounds

from ..agent.scripted import ScriptedModel, call
from .conftest import FOUND, draw
from .server import Client, serving

SESSIONS = 32


class Seer(BaseChatModel):
    """Looks once more, then says the gray that it sees in the newest picture and the last question's mark."""

    @property
    def _llm_type(self) -> str:
        return "seer-test"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Seer:  # type: ignore[override]
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        asked = [m for m in messages if isinstance(m, HumanMessage) and "mark" in m.text][-1]
        mark = re.findall(r"mark (\w+)", asked.text)[-1]
        looked = messages.index(asked) < len(messages) - 1
        text = call("zoom", box=[20, 20, 120, 90], view="V0")
        if looked:
            words = f"gray {_gray(messages)} mark {mark}"
            text = call("answer", text=words, claims=[{"text": words, "box": [5, 5, 50, 50], "view": "V0"}])
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


def _gray(messages: list[BaseMessage]) -> int:
    blocks = [b for m in messages if isinstance(m.content, list) for b in m.content if isinstance(b, dict)]
    newest = [block for block in blocks if block.get("type") == "image"][-1]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(newest["base64"]))).convert("L"))
    assert pixels.min() == pixels.max()
    return int(pixels[0, 0])


def test_32_sessions_at_once_do_not_mix(tmp_path: Path) -> None:
    bounds = Bounds(rate=100_000)
    with serving(tmp_path / "data", Seer(), bounds=bounds) as client, ThreadPoolExecutor(SESSIONS) as pool:
        pictures = [draw(tmp_path / f"{gray}.png", gray) for gray in range(40, 40 + SESSIONS)]
        told = list(pool.map(lambda i: _talk(client, i, pictures[i]), range(SESSIONS)))
        assert all(told)
        sessions = client.http.get("/v1/sessions", params={"limit": 200}).json()["sessions"]
        assert len(sessions) == SESSIONS and {s["turns"] for s in sessions} == {2}


def _talk(client: Client, number: int, picture: Path) -> bool:
    """Two turns of one session, streamed; its own gray, its own mark, its own picture in the overlay."""
    session = client.session(picture)
    for turn in (1, 2):
        mark = f"s{number}t{turn}"
        events = list(client.stream(session, f"Which gray, mark {mark}?"))
        assert [n for n, _, _ in events] == list(range(1, len(events) + 1))
        [answer] = [data for _, kind, data in events if kind == "answer"]
        assert answer["answer"] == f"gray {40 + number} mark {mark}", answer["answer"]
        assert events == client.events(session, turn)
    shown = client.http.get(f"/v1/sessions/{session}/turns/2/overlays/1.png").content
    pixels = np.asarray(Image.open(io.BytesIO(shown)).convert("RGB"))
    assert (pixels[-1, pixels.shape[1] // 2] == 40 + number).all()
    return True


def test_nothing_of_a_turn_is_held_after_it(tmp_path: Path) -> None:
    """The bench measures memory over a thousand turns; here no object of a turn may outlive it."""
    from foveate.agent.service.live import Live

    with serving(tmp_path / "data", ScriptedModel(replies=[FOUND])) as client:
        session = client.session(draw(tmp_path / "a.png"))
        for _ in range(5):
            client.ask(session, "Is there a spot?")
        gc.collect()
        assert len([thing for thing in gc.get_objects() if isinstance(thing, Live)]) <= 1
