"""Drives SemSamV2 through vLLM's own loader, request check and context; run by vLLM's Python, not pytest."""

import os
import sys
from types import SimpleNamespace

import numpy as np
import torch
from vllm import SamplingParams
from vllm.exceptions import VLLMValidationError
from vllm.v1.worker.gpu.sample.logits_processor import (
    LogitsContext,
    LogitsProcRequestState,
    build_custom_logits_processors_params_validator,
)
from vllm.v1.worker.gpu.sample.logits_processor.loader import _load_v2_logitsprocs

from foveate.tools.semsam.core import rescore
from foveate.tools.semsam.options import Options
from foveate.tools.semsam.store import table_of
from foveate.tools.semsam.vllm_common import table_path

NAME = "foveate.tools.semsam.vllm_v2:SemSamV2"


def asks(options: str | None) -> SamplingParams:
    return SamplingParams(extra_args={"semsam": options} if options is not None else None, temperature=0)


def context(slots: list[int], rows: list[int]) -> LogitsContext:
    mapping, some = torch.tensor(slots), torch.zeros(len(rows), dtype=torch.int64)
    return LogitsContext(
        expanded_idx_mapping=torch.tensor(rows),
        idx_mapping=mapping,
        idx_mapping_np=np.array(slots),
        expanded_local_pos=some,
        input_ids=some,
        pos=some,
        seq_lens_upper_bound_np=np.ones(len(slots), dtype=np.int32),
    )


def main() -> None:
    check = build_custom_logits_processors_params_validator([NAME])
    for good in (None, "", "k=32,m=20"):
        check(asks(good))
    for bad in ("k=33", "p=2", "what=1"):
        try:
            check(asks(bad))
        except VLLMValidationError:
            continue
        sys.exit(f"{bad} was taken")
    model = os.environ["FOVEATE_MODEL"]
    table = table_of(model, table_path())
    size = len(table.ids)
    told = SimpleNamespace(model=model, tokenizer=model, get_vocab_size=lambda: size)
    nothing = dict.fromkeys(("all_token_ids", "prompt_len", "prefill_len", "total_len"))
    states = LogitsProcRequestState(device=torch.device("cpu"), max_num_reqs=8, vocab_size=size, **nothing)
    [made] = _load_v2_logitsprocs([NAME])
    processor = made(SimpleNamespace(model_config=told), states)
    logits = torch.randn(3, size, generator=torch.Generator().manual_seed(0)) * 3
    options = Options(k=32, p=1.0)
    assert processor.add_request(5, asks("k=32,p=1")) and not processor.add_request(2, asks(None))
    processor.apply_staged_writes()
    out = processor.apply(logits[:2].clone(), context([2, 5], [2, 5]))
    assert torch.equal(out, rescore(logits[:2], table, [None, options]))
    out = processor.apply(logits.clone(), context([5, 2], [5, 5, 2]))  # two rows of one request
    assert torch.equal(out, rescore(logits, table, [options, options, None]))
    assert not processor.add_request(5, asks(None))  # the slot is used again
    assert torch.equal(processor.apply(logits.clone(), context([5, 2], [5, 5, 2])), logits)
    print("driven")


if __name__ == "__main__":
    main()
