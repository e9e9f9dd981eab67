"""The relay hands on what it gets, byte for byte, and keeps each session's requests in order."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from foveate.evals.bench.service_vllm import relay


@pytest.fixture
def upstream() -> Iterator[str]:
    """Says back what it got, in two pieces."""

    class Echo(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200 if b"good" in body else 422)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            self.wfile.write(body[:5])
            self.wfile.flush()
            self.wfile.write(body[5:])

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def _body(session: str, text: str) -> bytes:
    image = {"type": "image_url", "image_url": {"url": f"data:{session}"}}
    content = [image, {"type": "text", "text": text}]
    return json.dumps({"messages": [{"role": "user", "content": content}]}).encode()


def test_what_passes_is_handed_on_and_kept(upstream: str) -> None:
    told = [_body("a", "good 1"), _body("b", "good 2"), _body("a", "bad 3")]
    with relay(upstream) as kept:
        at = f"http://127.0.0.1:{kept.port}/v1/chat/completions"
        got = [httpx.post(at, content=body) for body in told]
        assert [each.content for each in got] == told
        assert [each.status_code for each in got] == [200, 200, 422]
        assert got[0].headers["content-type"] == "text/event-stream"
        assert list(kept.bodies.values()) == [[told[0], told[2]], [told[1]]]
        kept.begin()
        assert kept.bodies == {}
