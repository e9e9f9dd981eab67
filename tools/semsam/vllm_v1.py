"""Semantic sampling in vLLM's V1 logits-processor interface (0.11 and later): `…vllm_v1:SemSamV1`.

A request asks for it with `vllm_xargs={"semsam": "k=16,m=20"}`. Runs before temperature and truncation; vLLM
itself refuses it together with speculative decoding.
"""

from __future__ import annotations

from typing import Any

from vllm.v1.sample.logits_processor import LogitsProcessor

from foveate.tools.semsam.vllm_common import Slots, check_request, server_table


class SemSamV1(LogitsProcessor):  # type: ignore[misc]  # vLLM is no dependency
    """Made once per worker; FOVEATE_SEMSAM_TABLE names the table."""

    def __init__(self, vllm_config: Any, device: Any, is_pin_memory: bool) -> None:
        self._table = server_table(vllm_config, device)
        self._slots = Slots(device)

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Raises ValueError for options that cannot be: HTTP 400."""
        check_request(sampling_params)

    def is_argmax_invariant(self) -> bool:
        """It changes which token is likeliest."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Requests that came, went and moved since the last step."""
        if batch_update is not None:
            self._slots.update(batch_update.removed, batch_update.added, batch_update.moved)

    def apply(self, logits: Any) -> Any:
        """Row i is the request in slot i."""
        return self._slots.apply(logits, self._table, range(len(logits))) if self._slots else logits
