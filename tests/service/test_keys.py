"""One key never sees another's; without keys the server stays on its own machine."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from foveate.agent import cli
from foveate.agent.cli_serve import _with_database
from foveate.agent.service.keys import list_keys, make_key, owner_of, revoke_key

from ..agent.scripted import ScriptedModel
from .conftest import FOUND, LOOK, draw
from .server import Client, problem, serving


def add_key(data: Path, name: str) -> str:
    return str(asyncio.run(_with_database(data, None, lambda db: make_key(db, name))))


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Client, Client, Client]]:
    """The same server with Ann's key, with Ben's key, and without one."""
    data = tmp_path / "data"
    ann, ben = add_key(data, "Ann"), add_key(data, "Ben")
    with (
        serving(data, ScriptedModel(replies=[LOOK, FOUND]), key=ann) as first,
        contextlib.ExitStack() as stack,
    ):
        headers = {"authorization": f"Bearer {ben}"}
        second = stack.enter_context(httpx.Client(base_url=first.base, headers=headers, timeout=60))
        third = stack.enter_context(httpx.Client(base_url=first.base, timeout=60))
        yield first, Client(second, first.base), Client(third, first.base)


def routes(client: Client) -> list[tuple[str, str]]:
    """(method, path) of everything that the OpenAPI document has."""
    paths = client.http.get("/openapi.json").json()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


def called(client: Client, method: str, path: str, session: str) -> httpx.Response:
    values = {"session_id": session, "turn": "1", "number": "1", "model": "foveate"}
    values["name"] = "V0" if "/views/" in path else "E1"
    at = re.sub(r"\{(\w+)\}", lambda m: values[m[1]], path)
    if path.endswith("/images"):
        return client.http.request(method, at, files={"files": b"x"})
    body = {"question": "x", "model": "foveate", "messages": [{"role": "user", "content": "x"}]}
    json: Any = None if method != "POST" or path.endswith(("/cancel", "/sessions")) else body
    if path.endswith("/turns") and method == "POST":
        json = {"question": "x"}
    query = {"plane": "image", "index": 0} if path.endswith("/intensities") else None
    return client.http.request(method, at, json=json, params=query)


def test_every_route_of_a_session_is_closed_to_others(
    two: tuple[Client, Client, Client], tmp_path: Path
) -> None:
    ann, ben, nobody = two
    session = ann.session(draw(tmp_path / "scan.png"))
    assert ann.ask(session, "Is there a spot?").json()["result"]["answer"] == "It is there."
    owned = [(method, path) for method, path in routes(ann) if "{session_id}" in path]
    assert len(owned) >= 15
    for method, path in owned:
        problem(called(ben, method, path, session), 404, "not-found")
        problem(called(nobody, method, path, session), 401, "no-key")
    turns = ann.http.get(f"/v1/sessions/{session}/turns").json()
    assert len(turns) == 1 and turns[0]["status"] == "done"
    for method, path in owned:
        if method == "GET":
            assert called(ann, method, path, session).status_code == 200, path


def test_every_other_route_needs_a_key_except_health(two: tuple[Client, Client, Client]) -> None:
    _, ben, nobody = two
    for method, path in routes(ben):
        if "{session_id}" not in path and path not in ("/healthz", "/readyz"):
            problem(called(nobody, method, path, ""), 401, "no-key")
    assert nobody.http.get("/healthz").json() == {"ok": True, "parts": {}}
    assert ben.http.get("/v1/sessions").json()["sessions"] == []


def test_a_chat_of_another_key_is_not_continued(two: tuple[Client, Client, Client], tmp_path: Path) -> None:
    import base64

    ann, ben, _ = two
    url = "data:image/png;base64," + base64.b64encode(draw(tmp_path / "a.png").read_bytes()).decode()
    ask = {"role": "user", "content": [{"type": "text", "text": "Is there a spot?"}]}
    ask["content"].append({"type": "image_url", "image_url": {"url": url}})  # type: ignore[attr-defined]
    first = ann.http.post("/v1/chat/completions", json={"messages": [ask]}).json()
    said = {"role": "assistant", "content": first["choices"][0]["message"]["content"]}
    follow = {"messages": [ask, said, {"role": "user", "content": "Sure?"}]}
    other = ben.http.post("/v1/chat/completions", json=follow).json()
    assert other["foveate"]["session"] != first["foveate"]["session"] and other["foveate"]["turn"] == 1


def test_keys_are_kept_as_hashes_and_can_be_revoked(tmp_path: Path) -> None:
    key = add_key(tmp_path, "Ann")
    secret = key.split("_", 2)[2]
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes()

    async def look(db: Any) -> list[Any]:
        [row] = await list_keys(db)
        known = await owner_of(db, key)
        wrong = [
            await owner_of(db, bad) for bad in (key[:-1], key + "x", f"fov_{row['id']}_", "", "fov__", "\0")
        ]
        gone = [await revoke_key(db, row["id"]), await revoke_key(db, row["id"]), await owner_of(db, key)]
        return [row["name"], known == row["id"], wrong, gone]

    assert asyncio.run(_with_database(tmp_path, None, look)) == [
        "Ann",
        True,
        [None] * 6,
        [True, False, None],
    ]


def test_a_revoked_key_opens_nothing(two: tuple[Client, Client, Client]) -> None:
    ann, _, _ = two
    key_id = ann.http.headers["authorization"].split("_")[1]
    asyncio.run(_with_database(ann.data, None, lambda db: revoke_key(db, key_id)))
    problem(ann.http.get("/v1/sessions"), 401, "no-key")


def test_the_command_line_makes_lists_and_revokes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--data", str(tmp_path)]
    assert cli.run(["keys", "add", "Ann", *at]) == 0
    key = capsys.readouterr().out.strip()
    assert re.fullmatch(r"fov_[0-9a-f]{12}_[\w-]{43}", key)
    assert cli.run(["keys", "list", *at]) == 0
    told = capsys.readouterr().out
    assert "Ann" in told and "valid" in told and key.split("_", 2)[2] not in told
    key_id = key.split("_")[1]
    assert cli.run(["keys", "revoke", key_id, *at]) == 0
    assert cli.run(["keys", "revoke", key_id, *at]) == 2
    assert "no valid key" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_an_open_address_without_keys_is_refused(
    tmp_path: Path, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["serve", "--host", host, "--data", str(tmp_path), "--port", "0"]) == 2
    assert "has no keys" in capsys.readouterr().err


def test_another_host_name_and_another_origin_are_refused(client: Client) -> None:
    problem(client.http.get("/v1/sessions", headers={"host": "evil.example"}), 403, "not-allowed")
    evil = {"origin": "http://evil.example"}
    problem(client.http.post("/v1/sessions", headers=evil), 403, "not-allowed")
    assert client.http.post("/v1/sessions", headers={"origin": client.base}).status_code == 201


def test_too_many_requests_are_slowed_down(tmp_path: Path) -> None:
    from foveate.agent.service.settings import Bounds

    with serving(tmp_path / "data", ScriptedModel(replies=[FOUND]), bounds=Bounds(rate=5)) as client:
        told = [client.http.get("/v1/sessions") for _ in range(8)]
    slow = problem(told[-1], 429, "rate")
    assert [r.status_code for r in told[:5]] == [200] * 5 and int(told[-1].headers["retry-after"]) >= 1
    assert "Wait" in slow["detail"]


def test_answers_carry_the_headers_of_a_careful_server(client: Client) -> None:
    got = client.http.get("/v1/sessions")
    policy = got.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert got.headers["x-content-type-options"] == "nosniff" and got.headers["cache-control"] == "no-store"
    assert "server" not in got.headers or "uvicorn" in got.headers["server"]
