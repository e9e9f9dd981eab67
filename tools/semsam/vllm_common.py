"""What both vLLM interfaces share: which request sits in which slot, and where the table comes from.

Imports neither vLLM nor torch at import: the front end loads it to check requests. The server is told its
table by the environment variable FOVEATE_SEMSAM_TABLE.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveate.tools.semsam.options import OptionError, Options, request_options

if TYPE_CHECKING:
    import torch

    from foveate.tools.semsam.core import Plan
    from foveate.tools.semsam.table import Table

TABLE_VARIABLE = "FOVEATE_SEMSAM_TABLE"
Asked = tuple[Options, float]
"""The options of a request and its temperature."""


def check_request(params: Any) -> None:
    """Raises ValueError, which vLLM answers with HTTP 400, for options that cannot be."""
    options = request_options(params.extra_args)
    if options is None:
        return
    from foveate.tools.semsam.table import check_neighbours_of

    check_neighbours_of(_about(str(table_path())), options.k)
    if options.mode == "softmax" and params.temperature and _truncates(params):
        raise OptionError(
            "semsam: mode=softmax cuts the candidates itself: send top_p=1, top_k=0 and min_p=0 with it"
        )


def asked_of(params: Any) -> Asked | None:
    """What a request's sampling parameters ask for, None for ordinary decoding."""
    options = request_options(params.extra_args)
    return None if options is None else (options, float(params.temperature or 0.0))


def table_path() -> Path:
    """The file that the server was told of. Raises OptionError."""
    told = os.environ.get(TABLE_VARIABLE, "")
    if not told:
        raise OptionError(f"semsam: this server has no table; start it with {TABLE_VARIABLE}=FILE")
    return Path(told)


def server_table(vllm_config: Any, device: torch.device | str) -> Table:
    """The table for the model that the server serves, checked. Raises TableError or OptionError."""
    from foveate.tools.semsam.store import table_of

    told = vllm_config.model_config
    table = table_of(str(told.model), table_path(), tokenizer=str(told.tokenizer))
    table.check_vocabulary(int(told.get_vocab_size()))
    return table.to(device)


@lru_cache(maxsize=4)
def _about(path: str) -> Any:
    from foveate.tools.semsam.table import read_about

    return read_about(Path(path))


def _truncates(params: Any) -> bool:
    return bool(params.top_p < 1 or params.top_k > 0 or params.min_p > 0)


class Slots:
    """What the request in each slot of a batch asks for; made into a plan once per change."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device
        self._asked: dict[int, Asked] = {}
        self._plans: dict[tuple[int, ...], Plan | None] = {}

    def __bool__(self) -> bool:
        return bool(self._asked)

    def put(self, slot: int, asked: Asked | None) -> bool:
        """A new request in a slot, whoever sat there before; whether it wants semantic sampling."""
        self._plans.clear()
        self._asked.pop(slot, None)
        if asked is not None:
            self._asked[slot] = asked
        return asked is not None

    def move(self, source: int, target: int, swap: bool) -> None:
        """The request of a slot goes to another, whose request goes the other way in a swap."""
        mover, sitter = self._asked.get(source), self._asked.get(target)
        self.put(target, mover)
        self.put(source, sitter if swap else None)

    def update(self, removed: Iterable[int], added: Iterable[Any], moved: Iterable[Any]) -> None:
        """One batch update of vLLM's V1 interface: removed, then added, then moved, as it prescribes."""
        for slot in removed:
            self.put(slot, None)
        for slot, params, *_ in added:
            self.put(slot, asked_of(params))
        for source, target, direction in moved:
            self.move(source, target, direction.name == "SWAP")

    def any_of(self, slots: Iterable[int]) -> bool:
        return any(slot in self._asked for slot in slots)

    def apply(self, logits: torch.Tensor, table: Table, slots: Sequence[int]) -> torch.Tensor:
        """Re-scores, in place, the rows (in the order of `slots`) whose requests want it."""
        from foveate.tools.semsam import core

        key = tuple(slots)
        if key not in self._plans:
            asked = [self._asked.get(slot) for slot in slots]
            if len(self._plans) > 64:
                self._plans.clear()
            self._plans[key] = core.Plan.of(
                [one and one[0] for one in asked], self._device, [one[1] if one else 0.0 for one in asked]
            )
        plan = self._plans[key]
        if plan is not None:
            core.apply(logits, table, plan)
        return logits
