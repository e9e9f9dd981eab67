"""Semantic sampling in the interface of vLLM's Model Runner V2 (0.31 and later): `…vllm_v2:SemSamV2`.

A request asks for it with `vllm_xargs={"semsam": "k=16,m=20"}`. Runs after bias, penalties and grammar,
before temperature and truncation; works with speculative decoding, where a request has several rows.
"""

from __future__ import annotations

from typing import Any

from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor

from foveate.tools.semsam.vllm_common import Slots, asked_of, check_request, server_table


class SemSamV2(LogitsProcessor):  # type: ignore[misc]  # vLLM is no dependency
    """Made once per worker; FOVEATE_SEMSAM_TABLE names the table."""

    def __init__(self, vllm_config: Any, req_states: Any) -> None:
        self._table = server_table(vllm_config, req_states.device)
        self._slots = Slots(req_states.device)

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Raises ValueError for options that cannot be: HTTP 400."""
        check_request(sampling_params)

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        """Takes over a slot, whoever sat there before; whether its logits will change."""
        return self._slots.put(int(req_idx), asked_of(sampling_params))

    def apply(self, logits: Any, ctx: Any) -> Any:
        """Rows belong to requests by `ctx`; the device is asked only where a request has several rows."""
        slots = ctx.idx_mapping_np.tolist()
        if not self._slots.any_of(slots):
            return logits
        rows = slots if len(slots) == len(logits) else ctx.expanded_idx_mapping.tolist()
        return self._slots.apply(logits, self._table, rows)
