"""Nothing is fetched unless its host is allowed, and then from the public address that was checked only."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.agent.service import fetch as module
from foveate.agent.service.fetch import fetch
from foveate.agent.service.problems import Problem

ALLOWED = ("images.example",)


class Handler(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.headers["host"], self.path))
        self.send_response(302 if self.path == "/moved" else 200)
        if self.path == "/moved":
            self.send_header("location", "http://169.254.169.254/latest")
        self.end_headers()
        self.wfile.write(b"pixels" * (1000 if self.path == "/large" else 1))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """A real server on loopback that stands for a public one: its port, and its address taken as public."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    real = module._connected
    monkeypatch.setattr(module, "_is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(
        module, "_connected", lambda scheme, name, _, address: real(scheme, name, server.server_port, address)
    )
    Handler.asked.clear()
    yield Handler.asked
    server.shutdown()


def at(*addresses: str) -> module.Resolve:
    return lambda _host, _port: list(addresses)


def test_an_allowed_image_comes_from_the_address_that_was_checked(host: list[tuple[str, str]]) -> None:
    got = fetch("http://images.example/a.png?x=1", ALLOWED, 100, at("127.0.0.1"))
    assert got.read() == b"pixels" and host == [("images.example", "/a.png?x=1")]


def test_a_redirect_is_not_followed(host: list[tuple[str, str]]) -> None:
    with pytest.raises(Problem, match="redirects are not followed"):
        fetch("http://images.example/moved", ALLOWED, 100, at("127.0.0.1"))
    assert len(host) == 1


def test_a_large_image_is_cut_off(host: list[tuple[str, str]]) -> None:
    with pytest.raises(Problem, match="more than 100 bytes"):
        fetch("http://images.example/large", ALLOWED, 100, at("127.0.0.1"))


PRIVATE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "::1",
    "fe80::1%eth0",
    "fd00::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "224.0.0.1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_with_a_private_address_is_refused(address: str) -> None:
    for addresses in ([address], ["93.184.216.34", address], [address, "93.184.216.34"]):
        with pytest.raises(Problem, match="private address"):
            fetch("https://images.example/a.png", ALLOWED, 100, at(*addresses))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://images.example/a.png",
        "file:///etc/passwd",
        "http:///a.png",
        "http://user:pw@images.example/a.png",
        "http://images.example:22/a.png",
        "http://images.example/a b",
        "http://images.example/\r\nX: y",
        "http://[::1",
        "//images.example/a.png",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(Problem) as caught:
        fetch(url, ALLOWED, 100, at("93.184.216.34"))
    assert caught.value.name in ("invalid", "not-allowed", "bad-image")


@given(st.text(max_size=60))
def test_nothing_is_looked_up_without_an_allowed_host(url: str) -> None:
    def never(_host: str, _port: int) -> list[str]:
        raise AssertionError("a name was looked up")

    for allowed in ((), ALLOWED):
        with pytest.raises(Problem):
            fetch(url, allowed, 100, never)
        with pytest.raises(Problem):
            fetch(f"http://{url}.example/a.png", allowed, 100, never)


def test_a_host_that_is_only_alike_is_refused() -> None:
    for url in (
        "http://images.example.evil/a",
        "http://evilimages.example/a",
        "http://images.example@evil/a",
    ):
        with pytest.raises(Problem):
            fetch(url, ALLOWED, 100, at("93.184.216.34"))
