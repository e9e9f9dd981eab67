"""Tokens a second of a real vLLM server at batch 8, with semantic sampling on and off, turn about.

One server, so that both meet the same weather; the requests alone differ. Knows no image: prompts are text.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from foveate.agent.models.pocket import pocket_folder
from foveate.agent.models.vllm_server import free_port, serve, vllm_command
from foveate.evals.bench.rows import Row
from foveate.tools.semsam.store import build_to

BATCH, TOKENS, SECONDS = 8, 256, 900


def vllm_rows(python: Path, turns: int) -> list[Row]:
    """Median tokens a second over `turns` batches each way."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.safetensors"
        # with every text token content, nearly no step defers: the dearest case
        build_to(str(pocket_folder()), table, 32, "input", "any")
        os.environ["FOVEATE_SEMSAM_TABLE"] = str(table)
        port = free_port()
        command = vllm_command(python, pocket_folder(), "pocket", port, 2048, semsam=True, requests=BATCH)
        with serve(command, port, Path(folder) / "server.log", SECONDS) as url:
            found = [(rate(url, None, n), rate(url, "k=32,m=20", n)) for n in range(turns + 1)][1:]
    off, on = median(pair[0] for pair in found), median(pair[1] for pair in found)
    return [
        Row(f"vLLM, batch {BATCH}, off", off, "tok/s"),
        Row(f"vLLM, batch {BATCH}, semantic sampling on", on, "tok/s"),
        Row("vLLM off / on, median of pairs", median(a / b for a, b in found), "x", 1 / 0.95),
    ]


def rate(url: str, options: str | None, turn: int) -> float:
    """Tokens a second of one batch of requests sent at once."""
    import openai

    client = openai.OpenAI(base_url=url, api_key="EMPTY", max_retries=0, timeout=600)
    body: dict[str, Any] = {"ignore_eos": True} | ({"vllm_xargs": {"semsam": options}} if options else {})

    def ask(number: int) -> int:
        prompt = [300 + turn * 31 + number, 400, 500]  # no two alike, so that none comes from the cache
        told = client.completions.create(
            model="pocket", prompt=prompt, max_tokens=TOKENS, temperature=0.0, extra_body=body
        )
        return told.usage.completion_tokens if told.usage else 0

    begin = time.perf_counter()
    with ThreadPoolExecutor(BATCH) as pool:
        tokens = sum(pool.map(ask, range(BATCH)))
    return tokens / (time.perf_counter() - begin)
