"""What semantic sampling does for the pocket model: `python -m foveate.pocket.semsam_report`, into SEMSAM.md.

Asks spatial questions about patient C with ordinary decoding and, token by token in the same run, asks each
arm (semantic sampling, its ablations, other settings) what it would have chosen. An arm that would have
chosen the same token at every step gives the same run, since all else is the same; the others are run for
themselves. A cut run goes on where it was: results are kept under runs/ by the hash of the weights.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from foveate.pocket.asked import weights_hash
from foveate.pocket.data import ct_source
from foveate.pocket.semsam_tables import report_text
from foveate.pocket.spatial import Spatial, is_right, questions

FOLDER = Path("runs/pocket-semsam")
REPORT = Path(__file__).with_name("SEMSAM.md")
WEIGHTS = Path(__file__).with_name("weights") / "vlm"
ORDINARY = "ordinary"
# The first is the paper's rule with our defaults, then the ablations, then other settings.
ARMS = {
    "semsam": "",
    "lexical variants only": "ablation=lexical",
    "antonyms removed": "ablation=no_antonyms",
    "random neighbours": "ablation=random",
    "self only": "ablation=self_only",
    "normalised": "normalize=1",
    "without self": "self=0",
    "K = 4": "k=4",
    "K = 32": "k=32",
    "p = 0.8": "p=0.8",
    "p = 0.999": "p=0.999",
    "M = 5": "m=5",
    "digits are content": "table=alnum",
    "all text is content": "table=any",
}
CHECK_EVERY = 10
"""One question in so many is run again for an arm that should give the same, to see that it does."""


def table_file(content: str) -> Path:
    """The table of the shipped weights with that content filter; built when it is not there."""
    path = FOLDER / f"{content}-{weights_hash()}.safetensors"
    if not path.is_file():
        from foveate.tools.semsam.store import build_to

        build_to(str(WEIGHTS), path, 32, "input", content)
    return path


def decoding_of(arm: str) -> str:
    """The `--decoding` of an arm."""
    parts = [part for part in ARMS[arm].split(",") if part]
    content = next((part.removeprefix("table=") for part in parts if part.startswith("table=")), "letters")
    kept = [part for part in parts if not part.startswith("table=")]
    return "semsam:" + ",".join([*kept, f"table={table_file(content)}"])


def run(workers: int, minutes: float, limit: int | None) -> Path:
    """Asks what has not been asked yet, until the time is over; returns the file of results."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for content in ("letters", "alnum", "any"):
        table_file(content)
    kept = FOLDER / f"{weights_hash()}-{sha256(json.dumps(ARMS).encode()).hexdigest()[:6]}.jsonl"
    done = {json.loads(line)["key"] for line in kept.read_text().splitlines()} if kept.exists() else set()
    todo = [(n, item) for n, item in enumerate(questions()[:limit]) if key_of(item) not in done]
    began, deadline = time.time(), time.time() + 60 * minutes
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, _start, (max(1, 2 // workers), deadline)) as pool, kept.open("a") as file:
        for n, row in enumerate(pool.imap(_ask, todo), 1):
            if row is None:
                break
            file.write(json.dumps(row) + "\n")
            file.flush()
            if n % 10 == 0 or n == len(todo):
                print(f"{n}/{len(todo)} questions, {time.time() - began:.0f} s", flush=True)
        else:
            return kept
        print("the time is over; run it again to go on", flush=True)
    return kept


def key_of(item: Spatial) -> str:
    return sha256(json.dumps(item.told(), sort_keys=True).encode()).hexdigest()[:16]


_DEADLINE = float("inf")


def _start(threads: int, deadline: float) -> None:
    import torch

    global _DEADLINE
    _DEADLINE = deadline
    torch.set_num_threads(threads)


def _ask(job: tuple[int, Spatial]) -> dict[str, Any] | None:
    """One question in every arm: {key, item, ordinary, arms: {name: answer or None where the same}, …}."""
    number, item = job
    if time.time() > _DEADLINE:
        return None
    watch = _watch()
    watch.clear()
    ordinary = _answer(item, None)
    changed = sorted(watch.changed)
    seen = {arm: counter.take() for arm, counter in watch.counters.items()}
    arms = {arm: _answer(item, arm) if arm in changed else None for arm in ARMS}
    checked = None
    if number % CHECK_EVERY == 0:
        same = [arm for arm in ARMS if arm not in changed]
        if same:
            arm = same[number // CHECK_EVERY % len(same)]
            again = _answer(item, arm)
            checked = {"arm": arm, "same": again["answer"] == ordinary["answer"]}
    told = {"key": key_of(item), "item": item.told(), "ordinary": ordinary, "arms": arms}
    return {**told, "diagnostics": seen, "checked": checked}


def _answer(item: Spatial, arm: str | None) -> dict[str, Any]:
    began = time.perf_counter()
    agent, image = _agent(arm, item.tools), _image()
    told = agent.ask(image, item.question, start=[agent.overview(image, item.slice_index)]).to_json()
    return {
        "answer": told["answer"],
        "abstained": told["abstained"],
        "right": not told["abstained"] and is_right(item.told(), told["answer"], told["claims"]),
        "stopped_by": told["stopped_by"],
        "seconds": round(time.perf_counter() - began, 3),
    }


@cache
def _agent(arm: str | None, tools: bool) -> Any:
    from foveate.agent.models.hf import HFChatModel
    from foveate.agent.models.profiles import profile_for
    from foveate.agent.run import Agent

    if arm is not None:
        return Agent("pocket", use_tools=tools, decoding=decoding_of(arm))
    model = HFChatModel(path=str(WEIGHTS), logits_processors=[_watch()])
    return Agent(model, use_tools=tools, profile=profile_for("pocket"))


@cache
def _watch() -> Any:
    from foveate.pocket.semsam_watch import Watch

    return Watch(str(WEIGHTS), {arm: decoding_of(arm) for arm in ARMS})


@cache
def _image() -> Any:
    from dataclasses import replace

    from foveate.tools.imaging.open import open_image
    from foveate.tools.imaging.windows import PRESETS

    return replace(open_image(ct_source("C")), default_window=PRESETS["soft tissue"])


def main() -> None:
    """Ask, then write and print the report."""
    parser = argparse.ArgumentParser(prog="python -m foveate.pocket.semsam_report", description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=11, help="no new question is begun after these")
    parser.add_argument("--limit", type=int, default=None, help="only the first N questions")
    parser.add_argument("--out", type=Path, default=REPORT)
    options = parser.parse_args()
    kept = run(options.workers, options.minutes, options.limit)
    wanted = {key_of(item) for item in questions()[: options.limit]}
    rows = [row for row in map(json.loads, kept.read_text().splitlines()) if row["key"] in wanted]
    text = report_text(rows, ARMS, weights_hash(), len(wanted))
    options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
