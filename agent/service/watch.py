"""What an operator may see: counters, times, spans and log lines; never an image, a question or a name.

Prometheus metrics in a registry of the app's own, structlog events, and OpenTelemetry spans where its API is
installed. Knows events of runs and no route.
"""

from __future__ import annotations

import time
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from foveate.agent.events import Event

_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Watch:
    """Of one app."""

    def __init__(self) -> None:
        self.log = structlog.get_logger("foveate")
        self.registry = CollectorRegistry()
        made: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("foveate_http_requests", "Requests.", ["method", "route", "status"], **made)
        self.request_seconds = Histogram(
            "foveate_http_seconds", "Seconds to the response's end.", ["route"], buckets=_SECONDS, **made
        )
        self.turns = Counter("foveate_turns", "Turns by how they ended.", ["status"], **made)
        self.running = Gauge("foveate_turns_running", "Turns being answered.", **made)
        self.model_calls = Counter("foveate_model_calls", "Calls of the model.", **made)
        self.tokens = Counter("foveate_model_tokens", "Tokens as the model reports them.", ["kind"], **made)
        self.tool_calls = Counter("foveate_tool_calls", "Calls of tools.", ["tool", "ok"], **made)
        self.tool_seconds = Histogram(
            "foveate_tool_seconds", "Seconds of tool calls.", ["tool"], buckets=_SECONDS, **made
        )
        self.uploads = Counter("foveate_uploads", "Uploads.", ["outcome"], **made)
        self._tracer = _tracer()

    def page(self) -> bytes:
        """The metrics in Prometheus' text form."""
        return generate_latest(self.registry)

    def failure(self, where: str, error: Exception) -> None:
        """An unforeseen error: its kind and where our code was; its words may quote what a caller sent."""
        place, trace = "", error.__traceback__
        while trace is not None:
            frame = trace.tb_frame
            if "foveate" in str(frame.f_globals.get("__name__", "")):
                place = f"{frame.f_globals['__name__']}:{trace.tb_lineno}"
            trace = trace.tb_next
        self.log.error("failure", where=where, error=type(error).__name__, at=place)

    def turn(self, model: str) -> TurnWatch:
        """Follows one turn's events."""
        self.running.inc()
        return TurnWatch(self, self._tracer, model)

    def turn_ended(self, status: str) -> None:
        self.turns.labels(status).inc()
        self.log.info("turn", status=status)


class TurnWatch:
    """Counts and spans of one turn; `close` ends what is open."""

    def __init__(self, watch: Watch, tracer: Any, model: str) -> None:
        self._watch, self._tracer, self._model = watch, tracer, model
        self._begun = time.time_ns()
        self._root: Any = tracer.start_span("invoke_agent foveate") if tracer else None
        self._calls: dict[Any, Any] = {}
        self._before = (0, 0)

    def event(self, event: Event) -> None:
        data = event.data
        if event.kind == "model_start":
            self._watch.model_calls.inc()
            names = {"gen_ai.operation.name": "chat", "gen_ai.request.model": self._model}
            self._open("model", f"chat {self._model}", names)
        elif event.kind == "model_end":
            self._model_end(data["usage"])
        elif event.kind == "tool_start":
            names = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": data["tool"]}
            self._open(data["n"], f"execute_tool {data['tool']}", names)
        elif event.kind == "tool_end":
            self._watch.tool_calls.labels(data["tool"], str(data["ok"]).lower()).inc()
            self._watch.tool_seconds.labels(data["tool"]).observe(data["seconds"])
            self._shut(data["n"], {"foveate.ok": data["ok"]})

    def close(self) -> None:
        self._watch.running.dec()
        for name in list(self._calls):
            self._shut(name, {"foveate.ok": False})
        if self._root is not None:
            self._root.end()

    def _model_end(self, usage: dict[str, Any]) -> None:
        now = (usage["input_tokens"], usage["output_tokens"])
        # the sums are the conversation's; in its first turn they begin at zero
        spent = tuple(max(0, after - before) for after, before in zip(now, self._before, strict=True))
        self._before = now
        self._watch.tokens.labels("input").inc(spent[0])
        self._watch.tokens.labels("output").inc(spent[1])
        told = {"gen_ai.usage.input_tokens": spent[0], "gen_ai.usage.output_tokens": spent[1]}
        self._shut("model", told)

    def _open(self, key: Any, name: str, attributes: dict[str, Any]) -> None:
        if self._tracer is not None:
            from opentelemetry.trace import set_span_in_context

            within = set_span_in_context(self._root)
            self._calls[key] = self._tracer.start_span(name, context=within, attributes=attributes)

    def _shut(self, key: Any, attributes: dict[str, Any]) -> None:
        span = self._calls.pop(key, None)
        if span is not None:
            span.set_attributes(attributes)
            span.end()


def _tracer() -> Any:
    """OpenTelemetry's tracer, which does nothing until an exporter is configured; None without its API."""
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace.get_tracer("foveate")
