"""Whatever is sent, the answer is a problem document that says what to do, and nothing is half-written."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from foveate.agent.budget import Budget
from foveate.agent.models.factory import chat_model
from foveate.agent.service.settings import MIB, Bounds

from ..agent.scripted import ScriptedModel, call
from .conftest import FOUND, LOOK, draw
from .server import Client, problem, serving


def nothing_kept(client: Client) -> bool:
    """No image, no half image, no upload in the making."""
    images = list((client.data / "images").iterdir())
    scratch = [path for path in (client.data / "tmp").rglob("*") if path.is_file() and path.name != "lock"]
    return not images and not scratch


def test_wrong_content_types(client: Client, picture: Path) -> None:
    session = client.session()
    at = f"/v1/sessions/{session}"
    problem(client.http.post(f"{at}/turns", content=b"question=x"), 415, "wrong-type")
    problem(client.http.post(f"{at}/turns", data={"question": "x"}), 415, "wrong-type")
    raw = {"content-type": "image/png"}
    problem(client.http.post(f"{at}/images", content=picture.read_bytes(), headers=raw), 415, "wrong-type")
    problem(client.http.post("/v1/chat/completions", content=b"x", headers=raw), 415, "wrong-type")
    assert nothing_kept(client)


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_truncated_upload_leaves_nothing(client: Client, picture: Path, cut: float) -> None:
    session = client.session()
    whole = (
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        + picture.read_bytes() * 200
        + b"\r\n--b--\r\n"
    )
    where = urlsplit(client.base)
    with socket.create_connection((where.hostname, where.port)) as wire:
        head = f"POST /v1/sessions/{session}/images HTTP/1.1\r\nHost: {where.netloc}\r\n"
        head += f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(whole)}\r\n\r\n"
        wire.sendall(head.encode() + whole[: int(len(whole) * cut)])
    time.sleep(0.5)
    assert nothing_kept(client) and client.http.get(f"/v1/sessions/{session}").json()["images"] == []


def test_a_form_without_its_end_is_refused(client: Client) -> None:
    session = client.session()
    form = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\nabc'
    got = client.http.post(
        f"/v1/sessions/{session}/images",
        content=form,
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert got.status_code in (400, 422)
    assert got.headers["content-type"] == "application/problem+json" and nothing_kept(client)


BAD_FILES: list[tuple[bytes, str]] = [
    (b"", "empty"),
    (b"hello", "not an image that is known"),
    (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "damaged"),
    (b"PK\x03\x04" + b"\0" * 50, "zip"),
    (b"\0" * 128 + b"DICM" + b"\xff" * 40, "DICOM"),
    (b"\x1f\x8b" + b"\0" * 20, "gzip"),
]


@pytest.mark.parametrize(("content", "said"), BAD_FILES)
def test_files_that_are_no_images(client: Client, tmp_path: Path, content: bytes, said: str) -> None:
    bad = tmp_path / "Jane_Doe.png"
    bad.write_bytes(content)
    told = problem(client.upload(client.session(), bad), 422, "bad-image")
    assert said in told["detail"] and "Jane" not in told["detail"] and str(tmp_path) not in told["detail"]
    assert nothing_kept(client)


def test_one_bad_file_of_several_keeps_none(client: Client, tmp_path: Path, picture: Path) -> None:
    bad = tmp_path / "b.png"
    bad.write_bytes(b"hello")
    problem(client.upload(client.session(), picture, bad), 422, "bad-image")
    assert nothing_kept(client)


def test_a_zip_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", b"\0" * 40 * MIB)
    with serving(tmp_path / "data", ScriptedModel(replies=[FOUND]), bounds=Bounds(upload=MIB)) as client:
        told = problem(client.upload(client.session(), bomb), 422, "bad-image")
        assert "limit" in told["detail"] and nothing_kept(client)


def test_a_file_that_kills_its_reader_kills_nothing_else(tmp_path: Path, picture: Path) -> None:
    from PIL import Image

    large = tmp_path / "large.png"
    Image.new("L", (9000, 9000)).save(large)
    # so little memory that the worker fails on a picture within the limits of size
    with serving(
        tmp_path / "data", ScriptedModel(replies=[FOUND]), bounds=Bounds(decode_memory=700 * MIB, decoders=1)
    ) as client:
        session = client.session(picture)
        [worker] = children("decode_worker")
        os.kill(worker, 9)
        assert client.upload(session, draw(tmp_path / "b.png", 17)).status_code in (201, 422)
        assert client.upload(session, draw(tmp_path / "c.png", 18)).status_code == 201
        assert client.ask(session, "Is there a spot?").status_code == 200


def children(word: str) -> list[int]:
    """Process ids of this process's children whose command holds a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
            command = (path.parent / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if parent == os.getpid() and word.encode() in command:
            found.append(int(path.parent.name))
    return found


def test_bodies_that_are_too_large(tmp_path: Path, picture: Path) -> None:
    bounds = Bounds(upload=2000, body=500, chat_body=500)
    with serving(tmp_path / "data", ScriptedModel(replies=[FOUND]), bounds=bounds) as client:
        session = client.session()
        big = tmp_path / "big.png"
        big.write_bytes(b"\0" * 3000)
        problem(client.upload(session, big), 413, "too-large")
        problem(client.ask(session, "x" * 600), 413, "too-large")
        body = json.dumps({"messages": [{"role": "user", "content": "x" * 600}]})
        head = {"content-type": "application/json"}
        problem(client.http.post("/v1/chat/completions", content=body, headers=head), 413, "too-large")

        def pieces() -> Iterator[bytes]:
            yield from [b"x" * 400] * 3  # no Content-Length to be believed

        got = client.http.post(f"/v1/sessions/{session}/turns", content=pieces(), headers=head)
        problem(got, 413, "too-large")
        assert nothing_kept(client)


def test_unknown_things(client: Client, picture: Path) -> None:
    unknown = "0" * 32
    problem(client.http.get(f"/v1/sessions/{unknown}"), 404, "not-found")
    problem(client.http.delete(f"/v1/sessions/{unknown}"), 404, "not-found")
    problem(client.ask(unknown, "x"), 404, "not-found")
    problem(client.http.get("/nowhere"), 404, "not-found")
    problem(client.http.put("/v1/sessions"), 405, "method")
    session = client.session(picture)
    at = f"/v1/sessions/{session}"
    for place in ("turns/1", "turns/1/events", "evidence/E1/crop.png", "views/V0.png", "images/2/slice.png"):
        problem(client.http.get(f"{at}/{place}"), 404, "not-found")
    problem(client.http.post(f"{at}/turns/9/cancel"), 404, "not-found")
    problem(client.http.get(f"{at}/turns/1/overlays/1.png"), 404, "not-found")


def test_questions_that_cannot_be_asked(client: Client, picture: Path) -> None:
    empty = client.session()
    assert "upload one first" in problem(client.ask(empty, "x"), 422, "invalid")["detail"]
    session = client.session(picture)
    for body in (
        {"question": " "},
        {"question": "x" * 8001},
        {"question": "x", "look": [{"image": 2}]},
        {"question": "x", "look": [{"image": 1, "slice": 5}]},
        {"question": "x", "look": [{"image": 1, "plane": "axial"}]},
        {"question": "x", "boxes": [[1, 1, 5, 5]]},
        {"question": "x", "look": [{"image": 1}], "boxes": [[5, 5, 1, 1]]},
        {"question": "x", "look": [{"image": 1}], "boxes": [[0, 0, 9999, 5]]},
        {"question": "x", "unknown": 1},
        {"question": "x", "checks": "some"},
        {},
    ):
        told = client.http.post(f"/v1/sessions/{session}/turns", json=body)
        problem(told, 422, "invalid")
    broken = client.http.post(
        f"/v1/sessions/{session}/turns", content=b"{", headers={"content-type": "application/json"}
    )
    problem(broken, 422, "invalid")
    assert client.http.get(f"/v1/sessions/{session}/turns").json() == []


def test_pictures_that_cannot_be_drawn(client: Client, picture: Path) -> None:
    at = f"/v1/sessions/{client.session(picture)}/images/1/slice.png"
    for query in ({"index": 7}, {"plane": "coronal"}, {"center": 1}, {"center": 1, "width": 0}, {"side": 5}):
        problem(client.http.get(at, params=query), 422, "invalid")


@contextmanager
def held(tmp_path: Path, **options: Any) -> Iterator[tuple[Client, threading.Event]]:
    """A server whose model waits until it is let go."""
    let_go = threading.Event()

    def reply(_: object) -> str:
        let_go.wait(20)
        return call("answer", text="Done.", abstained=True)

    with serving(tmp_path / "data", ScriptedModel(replies=[reply]), **options) as client:
        yield client, let_go
        let_go.set()


def test_a_second_question_while_one_is_answered(tmp_path: Path, picture: Path) -> None:
    with held(tmp_path) as (client, let_go):
        session = client.session(picture)
        client.ask(session, "First?", wait=0)
        assert "cancel it" in problem(client.ask(session, "Second?"), 409, "busy")["detail"]
        let_go.set()
        assert client.events(session, 1)[-1][2]["status"] == "done"
        assert client.ask(session, "Second?").status_code == 200


def test_cancel_and_cancel_twice(tmp_path: Path, picture: Path) -> None:
    with held(tmp_path) as (client, let_go):
        session = client.session(picture)
        client.ask(session, "First?", wait=0)
        assert client.http.post(f"/v1/sessions/{session}/turns/1/cancel").status_code == 202
        problem(client.http.post(f"/v1/sessions/{session}/turns/1/cancel"), 409, "ended")
        assert client.events(session, 1)[-1][1:] == ("turn_end", {"turn": 1, "status": "cancelled"})
        let_go.set()
        assert client.ask(session, "Second?").json()["result"]["answer"] == "Done."


def test_a_listener_who_leaves_does_not_end_the_turn(tmp_path: Path, picture: Path) -> None:
    with held(tmp_path) as (client, let_go):
        session = client.session(picture)
        stream = client.stream(session, "First?")
        seen = [next(stream)[0] for _ in range(2)][-1]
        stream.close()  # type: ignore[attr-defined]
        let_go.set()
        rest = client.events(session, 1, after=seen)
        assert [number for number, _, _ in rest] == list(range(3, rest[-1][0] + 1))
        assert rest[-1][1] == "turn_end" and rest[-1][2]["status"] == "done"


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "9" * 30])
def test_a_last_event_id_that_is_none(client: Client, picture: Path, given: str) -> None:
    session = client.session(picture)
    client.ask(session, "First?")
    got = client.http.get(f"/v1/sessions/{session}/turns/1/events", headers={"last-event-id": given})
    problem(got, 400, "bad-request")


def test_places_run_out(tmp_path: Path, picture: Path) -> None:
    with held(tmp_path, bounds=Bounds(running=1)) as (client, _):
        first, second = client.session(picture), client.session(picture)
        client.ask(first, "First?", wait=0)
        got = client.ask(second, "Second?")
        problem(got, 503, "overloaded")
        assert got.headers["retry-after"]


class Model(http.server.BaseHTTPRequestHandler):
    """A model server that is slow or answers nonsense."""

    manner = "nonsense"

    def do_POST(self) -> None:
        if self.manner == "slow":
            time.sleep(5)
        body = b"<html>not a completion</html>"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("manner", ["down", "slow", "nonsense"])
def test_a_model_server_in_trouble(tmp_path: Path, picture: Path, manner: str) -> None:
    handler = type("Handler", (Model,), {"manner": manner})
    backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    port = backend.server_address[1]
    if manner == "down":
        backend.server_close()
    else:
        threading.Thread(target=backend.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{port}/v1"
    model = chat_model("openai:test", url)
    with serving(tmp_path / "data", model, agent={"budget": Budget(seconds=2)}, base_url=url) as client:
        session = client.session(picture)
        got = client.ask(session, "Is there a spot?")
        if manner == "slow":  # the time budget ends the turn with what is supported: nothing
            assert got.json()["result"]["stopped_by"] == "seconds" and got.json()["result"]["abstained"]
        else:
            assert "model server" in problem(got, 502, "model")["detail"]
            turn = client.http.get(f"/v1/sessions/{session}/turns/1").json()
            assert turn["status"] == "failed" and turn["result"]["stopped_by"] == "model_error"
        if manner != "slow":
            ready = client.http.get("/readyz")
            assert ready.status_code == 503 and ready.json()["parts"]["model"] != "ok"
            assert ready.json()["parts"]["store"] == ready.json()["parts"]["database"] == "ok"
        assert client.http.get("/healthz").status_code == 200
    if manner != "down":
        backend.shutdown()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A real file system of that size; skips where none can be mounted."""
    folder.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if not made or made.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(tmp_path: Path, picture: Path) -> None:
    from PIL import Image

    large = tmp_path / "large.png"
    Image.new("L", (3000, 3000)).save(large)
    with small_disk(tmp_path / "disk", "3m") as disk:
        images = str(disk / "images")
        with serving(tmp_path / "data", ScriptedModel(replies=[FOUND]), images=images) as client:
            session = client.session(picture)
            problem(client.upload(session, large), 507, "full")
            assert [path.stat().st_size < MIB for path in (disk / "images").iterdir()] == [True]
            assert len(client.http.get(f"/v1/sessions/{session}").json()["images"]) == 1
            assert client.ask(session, "Is there a spot?").status_code == 200


def test_a_full_database(tmp_path: Path, picture: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        images = str(tmp_path / "images")
        with serving(disk / "data", ScriptedModel(replies=[LOOK, FOUND]), images=images) as client:
            session = client.session(picture)
            client.ask(session, "Is there a spot?")
            filler = disk / "filler"
            handle = os.open(filler, os.O_CREAT | os.O_WRONLY)
            with pytest.raises(OSError):
                while True:
                    os.write(handle, b"x" * 4096)
            os.close(handle)
            problem(client.http.post("/v1/sessions"), 507, "full")
            problem(client.ask(session, "And now?"), 507, "full")
            assert client.http.get("/readyz").status_code == 503
            filler.unlink()
            assert client.http.post("/v1/sessions").status_code == 201
            assert client.ask(session, "And now?").json()["turn"] == 2


def test_a_read_only_store(tmp_path: Path, picture: Path) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        images = str(disk / "images")
        with serving(tmp_path / "data", ScriptedModel(replies=[FOUND]), images=images) as client:
            session = client.session(picture)
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            problem(client.upload(session, draw(tmp_path / "b.png", 3)), 503, "store")
            ready = client.http.get("/readyz").json()
            assert ready["parts"]["store"] != "ok" and ready["parts"]["database"] == "ok"
            assert client.ask(session, "Is there a spot?").status_code == 200
