"""Measures the pocket models through `ask` on patient C and on the real nodule, and writes pocket/REPORT.md.

`python -m foveate.pocket.report` asks every question once (results are kept under runs/ by the hash of the
weights, so a cut run goes on), with tools and without, and prints the tables beside a location prior and the
whole image. Knows the questions and the metrics; nothing of how the models were trained.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from foveate.pocket.asked import Item, items, weights_hash
from foveate.pocket.tables import report_text

FOLDER = Path("runs/pocket-report")
REPORT = Path(__file__).with_name("REPORT.md")


def _key(item: Item) -> str:
    return sha256(json.dumps(item.told(), sort_keys=True).encode()).hexdigest()[:16]


def _start(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _ask(item: Item) -> dict[str, Any]:
    """One question through the agent; what a table needs of the answer."""
    from foveate.pocket.asked import ask_item

    began = time.perf_counter()
    result = ask_item(item)
    told = result.to_json()
    evidence = {e["id"]: e for e in told["evidence"]}
    cited = [name for c in told["claims"] if c["present"] for name in c["evidence"]]
    return {
        "item": item.told(),
        "answer": told["answer"],
        "abstained": told["abstained"],
        "claims": told["claims"],
        "boxes": [
            {"box": evidence[n]["box"], "score": evidence[n]["score"], "label": evidence[n]["label"]}
            for n in cited
        ],
        "steps": [{"tool": s["tool"], "ok": s["ok"], "observation": s["observation"]} for s in told["steps"]],
        "stopped_by": told["stopped_by"],
        "seconds": time.perf_counter() - began,
    }


def _pending(wanted: Iterable[Item], kept: Path) -> list[Item]:
    done = {json.loads(line)["key"] for line in kept.read_text().splitlines()} if kept.exists() else set()
    return [item for item in wanted if _key(item) not in done]


def run(workers: int, every: int) -> Path:
    """Asks what has not been asked yet; returns the file of results."""
    kept = FOLDER / f"{weights_hash()}.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    todo = _pending(items(every), kept)
    began = time.time()
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, _start, (max(1, 2 // workers),)) as pool, kept.open("a") as file:
        for n, result in enumerate(pool.imap_unordered(_ask, todo), 1):
            item = Item(**result["item"])
            file.write(json.dumps({"key": _key(item), **result}) + "\n")
            file.flush()
            if n % 20 == 0:
                print(f"{n}/{len(todo)} asked, {time.time() - began:.0f} s", flush=True)
    return kept


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every", type=int, default=2, help="ask about every n-th slice of patient C")
    parser.add_argument("--table-only", action="store_true")
    options = parser.parse_args()
    path = FOLDER / f"{weights_hash()}.jsonl" if options.table_only else run(options.workers, options.every)
    wanted = {_key(item) for item in items(options.every)}
    rows = [row for row in map(json.loads, path.read_text().splitlines()) if row["key"] in wanted]
    text = report_text(rows, options.every)
    REPORT.write_text(text)
    print(text)
