"""Problem documents (RFC 9457): what went wrong and what to do, as application/problem+json.

Knows HTTP and no route. Nothing that a library said reaches a client: unforeseen errors have one fixed text.
"""

from __future__ import annotations

import errno
import sqlite3
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

MEDIA_TYPE = "application/problem+json"
TITLES = {
    "bad-request": (400, "The request cannot be read"),
    "no-key": (401, "An API key is needed"),
    "not-allowed": (403, "This is not allowed"),
    "not-found": (404, "There is no such thing here"),
    "method": (405, "The method does not fit the address"),
    "busy": (409, "A question is being answered"),
    "ended": (409, "The turn has ended"),
    "too-large": (413, "The body is too large"),
    "wrong-type": (415, "The content type does not fit"),
    "invalid": (422, "A value is not valid"),
    "bad-image": (422, "The image cannot be opened"),
    "rate": (429, "Too many requests"),
    "internal": (500, "The server failed"),
    "model": (502, "The model failed"),
    "overloaded": (503, "The server is full"),
    "store": (503, "The store cannot be written"),
    "slow": (504, "The answer is not there yet"),
    "full": (507, "The disk is full"),
}


class ProblemDocument(BaseModel):
    """The body of every error (RFC 9457). `type` is urn:foveate:problem:NAME; `detail` says what to do."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str


class Problem(Exception):
    """An error with a name of TITLES, one or two sentences, and members of its own."""

    def __init__(self, name: str, detail: str, headers: dict[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.name, self.detail, self.headers, self.members = name, detail, headers or {}, members

    @property
    def status(self) -> int:
        return TITLES[self.name][0]

    def document(self) -> dict[str, Any]:
        status, title = TITLES[self.name]
        return {
            "type": f"urn:foveate:problem:{self.name}",
            "title": title,
            "status": status,
            "detail": self.detail,
            **self.members,
        }

    def response(self, path: str = "") -> Response:
        document = self.document()
        if path.startswith(("/v1/chat", "/v1/models")):
            # clients of OpenAI's protocol look for this member
            document["error"] = {"message": self.detail, "type": self.name, "code": self.name, "param": None}
        return JSONResponse(document, self.status, self.headers, MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """The problem that an exception means to a client."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        return _http(error)
    if _number(error) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or _sqlite(error, "full"):
        return Problem("full", "Nothing was kept. Delete sessions, or give the server more room; then retry.")
    if _number(error) in (errno.EROFS, errno.EACCES, errno.EPERM) or _sqlite(error, "readonly"):
        return Problem("store", "Nothing was kept. The server's operator must make the store writable.")
    if isinstance(error, sqlite3.OperationalError) or type(error).__module__.startswith("psycopg"):
        return Problem("store", "The database cannot be reached or written; try again later.")
    return Problem(
        "internal", "Nothing of your data was lost; try again, and tell the operator the request id."
    )


def _number(error: Exception) -> int | None:
    return error.errno if isinstance(error, OSError) else None


def _sqlite(error: Exception, word: str) -> bool:
    return isinstance(error, sqlite3.OperationalError) and word in str(error).lower()


def _invalid(error: RequestValidationError) -> Problem:
    faults = [
        {"where": ".".join(str(part) for part in fault["loc"]), "what": fault["msg"]}
        for fault in error.errors()[:10]
    ]
    first = faults[0] if faults else {"where": "body", "what": "is not valid"}
    return Problem(
        "invalid", f"{first['where']}: {first['what']}. Correct it and send it again.", faults=faults
    )


def _http(error: HTTPException) -> Problem:
    names = {status: name for name, (status, _) in reversed(TITLES.items())}
    name = names.get(error.status_code, "bad-request" if error.status_code < 500 else "internal")
    advice = {
        "not-found": "Check the address; GET /openapi.json lists what there is.",
        "method": "GET /openapi.json lists the methods of every address.",
        "too-large": "Send a smaller body.",
    }
    detail = advice.get(name, f"{error.detail}. Correct the request and send it again.")
    return Problem(name, detail, dict(error.headers or {}))


def install(app: FastAPI) -> None:
    """Turns whatever a route raises, foreseen or not, into a problem document."""

    async def handle(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        request.state.problem = problem.name
        request.state.error = type(error).__name__
        return problem.response(request.url.path)

    for kind in (Problem, RequestValidationError, HTTPException, OSError, sqlite3.Error):
        app.add_exception_handler(kind, handle)
