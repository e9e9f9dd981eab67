"""The vLLM check compares what was claimed, and never leaves a server behind."""

import copy
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from foveate.agent.models.check_vllm import Comparison, Question, differences, main, read_questions, table
from foveate.agent.models.vllm_env import place_hook
from foveate.agent.models.vllm_server import ServerError, answers, free_port, serve, vllm_command

ANSWER: dict[str, Any] = {
    "answer": "On the image right.",
    "abstained": False,
    "stopped_by": "answer",
    "seconds": 1.5,
    "claims": [{"text": "left kidney", "present": True, "supported": True, "evidence": ["E1"]}],
    "evidence": [{"id": "E1", "box": [10.0, 20.0, 30.0, 40.0]}],
}
# A stand-in for vLLM: it starts a child, as vLLM does, writes both pids down and lists its models.
SERVER = """
import http.server, os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[2], "w").write(f"{os.getpid()} {child.pid}")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers()
        self.wfile.write(b"{}")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    answer = copy.deepcopy(ANSWER)
    inner: Any = answer
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return answer


def test_the_same_claims_are_the_same() -> None:
    assert differences(ANSWER, copy.deepcopy(ANSWER)) == []
    assert differences(ANSWER, changed(["seconds"], 9)) == []
    # evidence may be numbered otherwise, and its box may be half a pixel off
    other = changed(["evidence"], [{"id": "E7", "box": [10.4, 20.0, 29.6, 40.0]}])
    other["claims"][0]["evidence"] = ["E7"]
    assert differences(ANSWER, other) == []


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        (["answer"], "On the left.", "answer"),
        (["abstained"], True, "abstained"),
        (["stopped_by"], "seconds", "stopped_by"),
        (["claims"], [], "0 served"),
        (["claims", 0, "text"], "right kidney", "text"),
        (["claims", 0, "present"], False, "present"),
        (["claims", 0, "evidence"], [], "boxes"),
        (["evidence", 0, "box"], [10.0, 20.0, 31.0, 40.0], "boxes"),
    ],
)
def test_a_difference_is_named(path: list[Any], value: Any, word: str) -> None:
    [difference] = differences(ANSWER, changed(path, value))
    assert word in difference
    told = table([Comparison(Question(Path("a"), "Where?", None), ANSWER, ANSWER, (difference,))])
    assert difference in told and "0 of 1 questions" in told


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # a zombie whose new parent has not looked yet is dead too
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize("fails", [False, True])
def test_the_server_and_its_children_are_stopped(tmp_path: Path, fails: bool) -> None:
    port, pids = free_port(), tmp_path / "pids"
    command = [sys.executable, "-c", SERVER, str(port), str(pids)]
    try:
        with serve(command, port, tmp_path / "logs" / "server.log", 60) as url:
            assert answers(url)
            if fails:
                raise RuntimeError("a question failed")
    except RuntimeError:
        assert fails
    until = time.monotonic() + 10
    running = [int(pid) for pid in pids.read_text().split()]
    while any(alive(pid) for pid in running) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(running) == 2 and not any(alive(pid) for pid in running)


def test_a_terminated_check_stops_its_server(tmp_path: Path) -> None:
    # `python` of the check is a stand-in that starts a child and never answers, as a starting vLLM does
    stand_in, pids, weights = tmp_path / "python", tmp_path / "pids", tmp_path / "weights"
    stand_in.write_text(f"#!/bin/sh\nsleep 600 &\necho $$ $! > {pids}.part; mv {pids}.part {pids}; wait\n")
    stand_in.chmod(0o755)
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    command = [sys.executable, "-m", "foveate.agent.models.check_vllm", "--python", str(stand_in)]
    command += ["--weights", str(weights), "--out", str(tmp_path / "out")]
    check = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not pids.exists() and time.monotonic() < until:
        time.sleep(0.05)
    running = [int(pid) for pid in pids.read_text().split()]
    check.terminate()
    assert check.wait(60) == 2
    while any(alive(pid) for pid in running) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in running)


def test_a_server_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('no such head_dim'); sys.exit(3)"]
    with (
        pytest.raises(ServerError, match="code 3:\nno such head_dim"),
        serve(command, free_port(), tmp_path / "l", 60),
    ):
        pass


def test_a_server_that_never_answers(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(ServerError, match="within 1 s"), serve(command, free_port(), tmp_path / "l", 1):
        pass


def test_the_command_calls_tools_and_stays_on_loopback() -> None:
    command = " ".join(vllm_command(Path("py"), Path("model"), "pocket", 8123, 4096))
    for part in (
        "--enable-auto-tool-choice --tool-call-parser hermes",
        "--host 127.0.0.1",
        "--dtype float32",
    ):
        assert part in command


def test_the_hook_declares_the_operators_when_torchvision_comes(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho {packages}\n")
    python.chmod(0o755)
    place_hook(python)
    (packages / "torchvision.py").write_text(
        "import torch\n@torch.library.register_fake('torchvision::nms')\ndef f(a, b, c): return a\n"
    )
    code = "import foveate_torchvision, sys; assert 'torch' not in sys.modules; import torchvision"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (packages / "foveate_torchvision.pth").read_text() == "import foveate_torchvision\n"


def test_the_demo_questions_can_be_asked() -> None:
    from foveate.agent.models.pocket import pocket_path

    questions = read_questions(pocket_path().parent.parent / "demo" / "questions.json")
    assert questions and all(question.image.is_file() and question.text for question in questions)


def test_what_cannot_be_checked_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "questions.json"
    file.write_text(json.dumps([{"image": "a.png"}]))
    weights = tmp_path / "weights"
    code = main(["--questions", str(file), "--weights", str(weights), "--python", sys.executable])
    assert code == 2 and "no config.json" in capsys.readouterr().err
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    code = main(["--questions", str(file), "--weights", str(weights), "--python", sys.executable])
    assert code == 2 and "not a list of questions" in capsys.readouterr().err
