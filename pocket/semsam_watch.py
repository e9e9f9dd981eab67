"""A logits processor that changes nothing and notes what each way of semantic sampling would have chosen."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from transformers import LogitsProcessor

from foveate.agent.models.decoding import read_decoding
from foveate.tools.semsam.checkpoint import load_tokenizer
from foveate.tools.semsam.core import Plan, decide
from foveate.tools.semsam.diagnostics import Diagnostics
from foveate.tools.semsam.table import load_table


class Watch(LogitsProcessor):
    """`arms`: name → `--decoding` text with its table. `changed`: arms that would have chosen otherwise."""

    def __init__(self, model: str, arms: Mapping[str, str]) -> None:
        tokenizer = load_tokenizer(model)
        decodings = {name: read_decoding(text) for name, text in arms.items()}
        self._arms = {name: told for name, told in decodings.items() if told is not None}
        files = {told.table for told in self._arms.values()}
        self._tables = {file: load_table(file) for file in files if file is not None}
        self._plans = {name: Plan.of([told.options]) for name, told in self._arms.items()}
        self.counters = {
            name: Diagnostics(self._tables[told.table], lambda token: str(tokenizer.decode([token])))
            for name, told in self._arms.items()
            if told.table is not None
        }
        self.changed: set[str] = set()

    def clear(self) -> None:
        """Forget what was seen."""
        self.changed.clear()
        for counter in self.counters.values():
            counter.take()

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (1, vocabulary), given back as they are."""
        ordinary = int(scores[0].argmax())
        for name, told in self._arms.items():
            plan = self._plans[name]
            assert plan is not None and told.table is not None
            step = decide(scores, self._tables[told.table], plan)
            self.counters[name].observe(step)
            if int(step.choice()[0]) != ordinary:
                self.changed.add(name)
        return scores
