"""What semantic sampling costs, beside its targets: `python -m foveate.evals.bench.semsam`.

Re-scoring against transformers' own top-k and top-p warpers over the same logits, turn about in one run; its
share of a decode step of a 2-B model; the building of a table the size of Qwen3's; tokens a second of a vLLM
server with it on and off. Times are wall medians on the machine at hand.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from foveate.evals.bench import command
from foveate.evals.bench.rows import Row
from foveate.evals.bench.rows import tell as tell_rows
from foveate.tools.semsam import core
from foveate.tools.semsam.options import Options
from foveate.tools.semsam.table import About, Table

VOCABULARY, K, M = 151_936, 32, 20
BATCHES = (1, 2, 4, 8, 16, 32)
# The text side of Qwen3-VL-2B: layers, width, feed-forward width, query and key-value width.
LAYERS, HIDDEN, INNER, QUERY, KEY = 28, 2048, 6144, 2048, 1024


def random_table(vocabulary: int = VOCABULARY, k: int = K) -> Table:
    """A table of the right size in which every token is content, so that no step defers."""
    made = torch.Generator().manual_seed(0)
    about = About("", "", "input", "", vocabulary, vocabulary, 1024, k, "any", vocabulary)
    ids = torch.randint(0, vocabulary, (vocabulary, k), generator=made, dtype=torch.int32)
    weights = torch.rand(vocabulary, k, generator=made).half()
    kinds = torch.zeros(vocabulary, k, dtype=torch.uint8)
    return Table(about, ids, weights, kinds, torch.ones(vocabulary, dtype=torch.bool))


def turn_about(first: Callable[[], object], second: Callable[[], object], times: int) -> tuple[float, float]:
    """Median seconds of two things done in turn, so that both meet the same weather."""
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(times + 1):
        for side, work in zip(taken, (first, second), strict=True):
            begin = time.perf_counter()
            work()
            if turn:  # the first turn warms up
                side.append(time.perf_counter() - begin)
    return median(taken[0]), median(taken[1])


def rescore_rows(times: int, batches: Sequence[int] = BATCHES) -> tuple[list[Row], dict[int, float]]:
    """Re-scoring beside transformers' TopKLogitsWarper(20) then TopPLogitsWarper(0.95), per batch size."""
    from transformers import TopKLogitsWarper, TopPLogitsWarper

    table, rows, seconds = random_table(), [], {}
    top_k, top_p, empty = TopKLogitsWarper(M), TopPLogitsWarper(0.95), torch.zeros(1, 1, dtype=torch.long)
    for batch in batches:
        logits = torch.randn(batch, VOCABULARY, generator=torch.Generator().manual_seed(batch)) * 3
        options = Options(k=K, m=M, mode="softmax")

        def ours(logits: Tensor = logits, options: Options = options) -> Tensor:
            return core.rescore(logits, table, options)

        def theirs(logits: Tensor = logits) -> Tensor:
            warped: Tensor = top_p(empty, top_k(empty, logits))
            return warped

        mine, other = turn_about(ours, theirs, times)
        seconds[batch] = mine
        rows.append(Row(f"re-scoring, batch {batch}", mine * 1000, "ms"))
        rows.append(Row(f"top-k + top-p of transformers, batch {batch}", other * 1000, "ms"))
        rows.append(Row(f"re-scoring / top-k + top-p, batch {batch}", mine / other, "x", 1.0))
    return rows, seconds


def step_rows(seconds: dict[int, float], times: int) -> list[Row]:
    """Re-scoring as a share of a decode step of a 2-B model.

    The step is measured in parts, in float32: the matrix products of one layer times the number of layers,
    and those of an eighth of the output matrix times eight. Attention, norms and the image are left out: the
    real step is longer, and the share smaller.
    """
    shapes = [(HIDDEN, QUERY), (HIDDEN, KEY), (HIDDEN, KEY), (QUERY, HIDDEN)]
    shapes += [(HIDDEN, INNER), (HIDDEN, INNER), (INNER, HIDDEN)]
    layer = [torch.randn(out, given) / 64 for given, out in shapes]
    head = torch.randn(VOCABULARY // 8, HIDDEN) / 64
    rows = []
    for batch, mine in seconds.items():
        inputs = [torch.randn(batch, matrix.shape[1]) for matrix in layer]
        last = torch.randn(batch, HIDDEN)

        def one_layer(inputs: list[Tensor] = inputs) -> list[Tensor]:
            return [x @ matrix.T for x, matrix in zip(inputs, layer, strict=True)]

        def eighth(last: Tensor = last) -> Tensor:
            return last @ head.T

        of_layer, of_head = turn_about(one_layer, eighth, times)
        step = LAYERS * of_layer + 8 * of_head
        rows.append(Row(f"decode step of a 2-B model from measured parts, batch {batch}", step * 1000, "ms"))
        rows.append(Row(f"re-scoring / that step, batch {batch}", mine / step * 100, "%", 2.0))
    return rows


def table_rows(vocabulary: int, dimension: int) -> list[Row]:
    """`foveate semsam build` on a checkpoint of random numbers of that size, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint(Path(folder), vocabulary, dimension)
        out = str(Path(folder) / "table.safetensors")
        ran = command.measured(["semsam", "build", folder, "--out", out, "-k", str(K), "--json"])
    size = f"{vocabulary} x {dimension}"
    return [
        Row(f"building a table of {size}", ran.seconds / 60, "min", 12.0),
        Row(f"peak memory of building a table of {size}", ran.peak_mib / 1024, "GiB", 2.0),
    ]


def checkpoint(folder: Path, vocabulary: int, dimension: int) -> None:
    """A folder with a bfloat16 embedding and a tokenizer of that many words, and nothing else."""
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {f"w{chr(97 + n % 26)}{n}": n for n in range(vocabulary - 300)}
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="wa0")), unk_token="wa0"
    ).save_pretrained(folder)
    made = torch.Generator().manual_seed(0)
    embedding = torch.randn(vocabulary, dimension, generator=made).to(torch.bfloat16)
    save_file({"model.embed_tokens.weight": embedding}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3", "vocab_size": vocabulary}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write `semsam.json`."""
    parser = argparse.ArgumentParser(prog="python -m foveate.evals.bench.semsam", description=__doc__)
    parser.add_argument("--times", type=int, default=15, help="measured turns of each pair")
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--table", metavar="ROWSxCOLUMNS", default=f"{VOCABULARY}x1024", help='"none" to skip'
    )
    parser.add_argument(
        "--vllm", type=Path, default=None, metavar="PYTHON", help="a Python with vLLM and Foveate"
    )
    parser.add_argument("--vllm-turns", type=int, default=8)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    # a plain SIGTERM would end this process without the `finally` that stops the server
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    torch.set_num_threads(options.threads)
    rows, seconds = rescore_rows(options.times, options.batches)
    rows += step_rows(seconds, options.times)
    if options.table != "none":
        tell("building a table")
        rows += table_rows(*(int(part) for part in options.table.split("x")))
    if options.vllm is not None:
        from foveate.evals.bench.semsam_vllm import vllm_rows

        tell("starting a vLLM server")
        rows += vllm_rows(options.vllm, options.vllm_turns)
    print(f"{os.cpu_count()} cores, {options.threads} threads, load {os.getloadavg()[0]:.1f} at the end")
    tell_rows(rows, options.out, "semsam")


def tell(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
