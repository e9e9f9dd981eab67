"""A small OpenAI-compatible server on loopback that answers as told, or breaks as told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def completion(content: str | None, tool_calls: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if tool_calls:
        message["tool_calls"] = tool_calls
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if tool_calls else "stop"}
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


def function_call(name: str, arguments: str) -> dict[str, Any]:
    return {"id": "t1", "type": "function", "function": {"name": name, "arguments": arguments}}


class FakeServer:
    """`answer`: a JSON-able body, raw bytes, "drop", or a function of the request's body; `status`: HTTP
    status; `kind`: content type; `requests`: what came in."""

    def __init__(self) -> None:
        self.answer: Any = completion("hello")
        self.status = 200
        self.kind = "application/json"
        self.listing: Any = {"object": "list", "data": [{"id": "m"}]}
        self.delay = threading.Event()
        self.wait = 0.0
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.url = ""


def _handler(fake: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fake.requests.append(json.loads(body))
            fake.keys.append(self.headers["Authorization"])
            fake.delay.wait(fake.wait)
            if fake.answer == "drop":
                self.connection.close()
                return
            answer = fake.answer(fake.requests[-1]) if callable(fake.answer) else fake.answer
            self.reply(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

        def do_GET(self) -> None:
            self.reply(json.dumps(fake.listing).encode())

        def reply(self, data: bytes) -> None:
            self.send_response(fake.status)
            self.send_header("Content-Type", fake.kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler


@contextmanager
def serving() -> Iterator[FakeServer]:
    fake = FakeServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        fake.delay.set()
        server.shutdown()
        server.server_close()
        thread.join()
