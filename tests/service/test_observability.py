"""Logs, metrics, spans and health: what an operator sees, and what nobody may see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from foveate.evals.bench.kills import write_script

from ..agent.scripted import ScriptedModel
from .conftest import FOUND, LOOK
from .server import Client, serving
from .test_thin_path import series


def samples(client: Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    page = client.http.get("/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_metrics_count_what_happened(client: Client, picture: Path) -> None:
    session = client.session(picture)
    client.ask(session, "Is there a spot?")
    told = samples(client)
    assert told[("foveate_turns_total", (("status", "done"),))] == 1
    assert told[("foveate_model_calls_total", ())] == 2
    assert told[("foveate_tool_calls_total", (("ok", "true"), ("tool", "zoom")))] == 1
    assert told[("foveate_uploads_total", (("outcome", "ok"),))] == 1
    assert told[("foveate_turns_running", ())] == 0
    posted = {"method": "POST", "route": "/v1/sessions/{session_id}/turns", "status": "200"}
    assert told[("foveate_http_requests_total", tuple(sorted(posted.items())))] == 1
    assert session not in client.http.get("/metrics").text


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    """The process's one tracer provider, exporting to memory."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


def test_spans_of_model_and_tool_calls(tmp_path: Path, picture: Path, spans: InMemorySpanExporter) -> None:
    with serving(tmp_path / "data", ScriptedModel(replies=[LOOK, FOUND])) as client:
        spans.clear()
        client.ask(client.session(picture), "Is the zanzibar spot there?")
    every = spans.get_finished_spans()  # FastAPI makes spans of requests, too
    told = [s for s in every if s.instrumentation_scope and s.instrumentation_scope.name == "foveate"]
    names = sorted(span.name for span in told)
    assert names == ["chat scripted-test", "chat scripted-test", "execute_tool zoom", "invoke_agent foveate"]
    [root] = [span for span in told if span.name == "invoke_agent foveate"]
    calls = [span for span in told if span is not root]
    assert {span.parent and span.parent.span_id for span in calls} == {root.context.span_id}
    for span in every:
        assert span.end_time is not None and span.start_time is not None and span.end_time >= span.start_time
        assert "zanzibar" not in span.to_json()


def test_readiness_tells_the_truth(client: Client) -> None:
    assert client.http.get("/readyz").json() == {
        "ok": True,
        "parts": {"database": "ok", "store": "ok", "model": "ok"},
    }


@pytest.mark.slow
def test_the_logs_are_json_and_hold_nothing_of_the_patient(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    write_script(script, 3)
    command = [sys.executable, "-m", "foveate.agent.cli", "serve", "--port", "0", "--grounder", "none"]
    command += ["--data", str(tmp_path / "data"), "--model", f"scripted:{script}"]
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen(command, stderr=log, stdout=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        base, end = "", time.monotonic() + 120
        while not base and time.monotonic() < end and child.poll() is None:
            told = (tmp_path / "log").read_text()
            base = told.split("serving at ")[1].split()[0] if "serving at " in told else ""
            time.sleep(0.1)
        with httpx.Client(base_url=base, timeout=60) as http:
            session = http.post("/v1/sessions").json()["id"]
            parts = [("files", (path.name, path.read_bytes())) for path in series(tmp_path / "dicom")]
            assert http.post(f"/v1/sessions/{session}/images", files=parts).status_code == 201
            at = f"/v1/sessions/{session}/turns"
            http.post(at, params={"wait": 30}, json={"question": "Has ERIKA a zanzibar spot?"})
            http.post(at, content=b"{ERIKA", headers={"content-type": "application/json"})
            http.get("/v1/sessions/ERIKA")
    finally:
        child.terminate()
        code = child.wait(60)
    lines = (tmp_path / "log").read_text().splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    assert code in (0, -15) and len(lines) - len(records) == 1  # the line that says where it serves
    assert {record["event"] for record in records} == {"request", "turn"}
    whole = "\n".join(lines)
    for secret in ("ERIKA", "MUSTERMANN", "SECRET-4711", "19640812", "zanzibar", session):
        assert secret not in whole
