"""The OpenAPI document is complete, its examples run, and fuzzed requests find only documented answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from foveate.agent.service.settings import Bounds

from ..agent.scripted import ScriptedModel
from .conftest import FOUND, draw
from .server import Client, serving

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("fuzz")
    with serving(folder / "data", ScriptedModel(replies=[FOUND]), bounds=Bounds(rate=10**6)) as client:
        yield client


def test_every_operation_is_described(server: Client) -> None:
    paths: dict[str, Any] = server.http.get("/openapi.json").json()["paths"]
    assert len(paths) >= 18
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert operation.get("description") or operation.get("summary"), (method, path)
            assert operation["tags"], (method, path)
            good = [told for status, told in operation["responses"].items() if status.startswith("2")]
            assert good and all("content" in told or "204" in operation["responses"] for told in good), path
            if path.startswith("/v1"):
                problems = operation["responses"]["401"]["content"]
                assert "application/problem+json" in problems, path


def test_the_examples_run(server: Client, tmp_path: Path) -> None:
    document = server.http.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    session = server.session(draw(tmp_path / "a.png"))
    at = f"/v1/sessions/{session}/turns?wait=30"
    asked = server.http.post(at, json=schemas["Question"]["examples"][0])
    assert asked.status_code == 200 and asked.json()["status"] == "done"
    chat = server.http.post("/v1/chat/completions", json=schemas["ChatRequest"]["examples"][0])
    assert chat.status_code == 200, chat.text
    assert chat.json()["foveate"]["evidence"]


@pytest.mark.timeout(300)
def test_fuzzed_requests_get_documented_answers(server: Client) -> None:
    schema = schemathesis.openapi.from_url(f"{server.base}/openapi.json")
    checks = [
        schemathesis.checks.not_a_server_error,
        schemathesis.checks.status_code_conformance,
        schemathesis.checks.content_type_conformance,
        schemathesis.checks.response_schema_conformance,
    ]
    quick = settings(
        max_examples=8,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == "/readyz":
            continue  # 503 is an answer here

        @quick
        @_given(operation)
        def fuzz(case: Any) -> None:
            case.call_and_validate(checks=checks)

        fuzz()


def _given(operation: Any) -> Any:
    from hypothesis import given

    return given(case=operation.as_strategy())
