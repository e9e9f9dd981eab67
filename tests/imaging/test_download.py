"""URLs that the caller allows, from a server on this machine."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from PIL import Image

from foveate.tools.imaging.open import ImageError, Limits, open_image

GRAY = np.arange(200, dtype=np.uint8).reshape(10, 20)


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        buffer = io.BytesIO()
        Image.fromarray(GRAY).save(buffer, "PNG")
        self.send_response(200 if self.path.startswith("/doe") else 404)
        self.end_headers()
        self.wfile.write(buffer.getvalue())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = HTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_allowed_url_is_opened_and_named_without_its_path(address: str) -> None:
    image = open_image(f"{address}/doe.png?token=abc", allow_url=True)
    assert np.array_equal(image.pixels[0], GRAY) and image.name == "download"


@pytest.mark.parametrize("path", ["/nothing", "/away"])
def test_what_cannot_be_fetched_is_one_sentence(address: str, path: str) -> None:
    with pytest.raises(ImageError, match="could not be downloaded"):
        open_image(address + path, allow_url=True)


def test_a_download_is_cut_at_the_limit(address: str) -> None:
    with pytest.raises(ImageError, match="max_bytes"):
        open_image(f"{address}/doe.png", allow_url=True, limits=Limits(max_bytes=50))
