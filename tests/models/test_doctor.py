"""The doctor tells a sound installation from a broken one, and keeps off the network."""

import hashlib
import json
import socket
from pathlib import Path

import pytest

from foveate.agent import doctor
from foveate.agent.models import pocket

from .fake_server import serving


def status(checks: list[doctor.Check], name: str) -> str:
    return next(check.status for check in checks if check.name == name)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    class Found:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(pocket, "find_spec", lambda name: Found)
    for name in ("vlm", "locator"):
        folder = tmp_path / "weights" / name
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(name.encode())
    sums = [f"{hashlib.sha256(n.encode()).hexdigest()}  {n}/model.safetensors" for n in ("vlm", "locator")]
    (tmp_path / "weights" / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    return tmp_path / "weights"


def test_a_sound_installation(
    weights: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEATE_API_KEY", "sk-secret-77")
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the doctor used the network"))
    assert doctor.run_doctor() == 0
    told = capsys.readouterr().out
    assert "sk-secret-77" not in told and "FOVEATE_API_KEY" in told
    for word in ("torch", "transformers", "pocket vlm", "torchvision", "memory", "extra test"):
        assert word in told
    assert not any(line.startswith("fail") for line in told.splitlines())
    assert doctor.run_doctor(as_json=True) == 0
    assert {"name", "status", "detail"} == set(json.loads(capsys.readouterr().out)["checks"][0])


def test_damaged_and_missing_weights(weights: Path) -> None:
    (weights / "vlm" / "model.safetensors").write_bytes(b"vln")
    (weights / "locator" / "model.safetensors").unlink()
    checks = doctor.examine()
    assert status(checks, "pocket vlm") == "fail" and status(checks, "pocket locator") == "fail"
    (weights / "SHA256SUMS").unlink()
    assert status(doctor.examine(), "pocket vlm") == "note"


def test_broken_torchvision_is_recognised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "torchvision.py").write_text('raise RuntimeError("operator torchvision::nms does not exist")')
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    version = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda p: "0.28.0" if p == "torchvision" else version(p))
    check = doctor._torchvision()
    assert check.status == "fail" and "nms" in check.detail and "pip uninstall torchvision" in check.detail
    (tmp_path / "torchvision.py").write_text("")
    assert doctor._torchvision().status == "ok"


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    version = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda p: None if p == "pydicom" else version(p))
    assert status(list(doctor._packages()), "pydicom") == "fail"


def test_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "spare_memory_gib", lambda: 0.5)
    assert doctor._memory().status == "warn"


def test_server() -> None:
    with serving() as server:
        assert doctor._server(server.url).detail == "serves m"
        server.status = 401
        assert "HTTP 401" in doctor._server(server.url).detail
        server.status, server.listing = 200, [1]
        assert doctor._server(server.url).status == "fail"
    assert doctor._server(server.url).status == "fail"
    assert "must look like" in doctor._server("nonsense").detail
