"""The FastAPI app: routes, problem documents, headers, limits, metrics and logs around one running core."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from starlette.middleware.base import RequestResponseEndpoint
from starlette.responses import Response

from foveate.agent.service import health, problems, routes, routes_chat, routes_page, routes_pictures
from foveate.agent.service.bodies import BodyLimits
from foveate.agent.service.caller import Rates
from foveate.agent.service.core import MakeAgent, agent_of, running
from foveate.agent.service.settings import Settings

DESCRIPTION = (
    "Ask questions about medical images; every answer points at the pixels that say so. For research only, "
    "not a medical device. Errors are problem documents (RFC 9457)."
)
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def create_app(settings: Settings, make_agent: MakeAgent = agent_of) -> FastAPI:
    """The app; it opens its parts when it is started. `make_agent` is for agents of your own."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(settings, make_agent) as core:
            app.state.core = core
            yield

    app = FastAPI(
        title="Foveate",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        form_limits={"max_files": settings.bounds.files, "max_fields": 10},
    )
    app.state.rates = Rates(settings.bounds.rate)
    for part in (routes, routes_pictures, routes_chat, health, routes_page):
        app.include_router(part.router)
    problems.install(app)
    app.add_middleware(BodyLimits, bounds=settings.bounds)
    app.middleware("http")(_observed)
    return app


async def _observed(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Adds headers, counts, logs, and turns what nobody foresaw into a problem document."""
    begin, request_id = time.perf_counter(), uuid.uuid4().hex
    watch = request.app.state.core.watch
    try:
        response = await call_next(request)
    except Exception as error:
        watch.failure("request", error)
        response = problems.problem_of(error).response(request.url.path)
    for name, value in {**HEADERS, "X-Request-Id": request_id}.items():
        response.headers.setdefault(name, value)
    # the route's pattern, not the address: ids of sessions are the caller's own
    route = getattr(request.scope.get("route"), "path", "none")
    watch.requests.labels(request.method, route, str(response.status_code)).inc()
    watch.request_seconds.labels(route).observe(time.perf_counter() - begin)
    watch.log.info(
        "request",
        id=request_id,
        method=request.method,
        route=route,
        status=response.status_code,
        ms=round(1000 * (time.perf_counter() - begin), 1),
        key=getattr(request.state, "owner", None),
        problem=getattr(request.state, "problem", None),
        error=getattr(request.state, "error", None),
    )
    return response
