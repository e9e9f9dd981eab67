"""Semantic sampling inside transformers' `generate`: a LogitsProcessor.

Sees raw logits, before temperature, top-k and top-p, so those must be off where scores are drawn from
(do_sample=True, top_k=0, top_p=1.0). Knows no chat and no checkpoint.
"""

from __future__ import annotations

from torch import Tensor
from transformers import LogitsProcessor

from foveate.tools.semsam import core
from foveate.tools.semsam.diagnostics import Diagnostics
from foveate.tools.semsam.options import OptionError, Options
from foveate.tools.semsam.table import Table


class SemSamLogitsProcessor(LogitsProcessor):
    """`generate(logits_processor=LogitsProcessorList([SemSamLogitsProcessor(table, Options(k=16))]))`.

    `temperature`: the one that `generate` draws with, so that `tau` alone decides how scores are drawn from.
    `diagnostics` counts what was done. Raises OptionError for beam search and continuous batching.
    """

    def __init__(
        self,
        table: Table,
        options: Options,
        *,
        temperature: float = 1.0,
        diagnostics: Diagnostics | None = None,
    ) -> None:
        table.check_neighbours(options.k)
        self.table, self.options, self.diagnostics = table, options, diagnostics
        self._temperature = temperature
        self._plans: dict[int, core.Plan | None] = {}
        self._length = -1

    @property
    def supports_continuous_batching(self) -> bool:  # type: ignore[override]
        """transformers asks this when continuous batching starts, and would drop the processor in silence."""
        raise OptionError("semantic sampling does not work with continuous batching: use generate()")

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (rows, vocabulary) → re-scored; the given ones stay as they are."""
        self._refuse_beams(input_ids, scores)
        if self.table.ids.device != scores.device:
            self.table = self.table.to(scores.device)
        count = len(scores)
        if count not in self._plans:
            heats = [self._temperature] * count
            self._plans[count] = core.Plan.of([self.options] * count, scores.device, heats)
        plan, out = self._plans[count], scores.clone()
        assert plan is not None
        step = core.apply(out, self.table, plan)
        if self.diagnostics is not None:
            self.diagnostics.observe(step)
        return out

    def _refuse_beams(self, input_ids: Tensor, scores: Tensor) -> None:
        """Beam search hands over log-probabilities, all beams of a text alike at the first step."""
        begins, self._length = input_ids.shape[-1] != self._length + 1, input_ids.shape[-1]
        if begins and len(scores) > 1 and bool((scores.float().logsumexp(-1).abs() < 1e-3).all()):
            raise OptionError("semantic sampling does not work with beam search: use num_beams=1")


def beam_free(generation_config: object) -> None:
    """Raises OptionError when a checkpoint's own generation settings ask for beams."""
    if int(getattr(generation_config, "num_beams", None) or 1) > 1:
        raise OptionError("semantic sampling does not work with beam search: use num_beams=1")
