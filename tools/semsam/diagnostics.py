"""What semantic sampling did in a run: how often it deferred, what it changed, and which opposites it
swapped.

Without these numbers its effect cannot be interpreted: where most steps defer, little can have changed. Reads
steps off the device, so it is meant for runs in process. Knows no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from foveate.tools.semsam.core import Step
from foveate.tools.semsam.table import Table
from foveate.tools.semsam.words import opposites, same_word

SHOWN = 20


class Diagnostics:
    """Counts the steps of a run. `text_of` gives a token's text."""

    def __init__(self, table: Table, text_of: Callable[[int], str]) -> None:
        self._content, self._text = table.content.cpu(), text_of
        self._clear()

    def _clear(self) -> None:
        self.steps = self.deferred = self.alone = 0
        self.changes: Counter[tuple[int, int]] = Counter()
        self.deferred_by: Counter[str] = Counter()

    def observe(self, step: Step) -> None:
        """Counts every row of a step."""
        chosen, first = step.choice().tolist(), step.ids[:, 0].tolist()
        active, kept = step.active.tolist(), step.kept.tolist()
        for row, ids in enumerate(step.ids.tolist()):
            self.steps += 1
            candidates = [i for i, keep in zip(ids, kept[row], strict=True) if keep]
            if not active[row]:
                self.deferred += 1
                self.deferred_by[self._reason(candidates)] += 1
            elif chosen[row] != first[row]:
                self.changes[first[row], chosen[row]] += 1
            elif len(candidates) == 1:
                self.alone += 1

    def _reason(self, candidates: list[int]) -> str:
        marks = [i for i in candidates if not bool(self._content[i])]
        if not marks:
            return "no probability in any neighbourhood"
        text = self._text(marks[0])
        if any(c.isdigit() for c in text):
            return "digit"
        if not text.strip():
            return "space"
        return "mark" if text.strip().startswith(("<", "[")) and len(text.strip()) > 2 else "punctuation"

    def report(self) -> dict[str, Any]:
        """JSON-able. `single`: re-scored steps with one candidate, in which nothing could change."""
        changed = sum(self.changes.values())
        flips = {pair: n for pair, n in self.changes.items() if opposites(*map(self._text, pair))}
        spellings = sum(n for pair, n in self.changes.items() if same_word(*map(self._text, pair)))
        return {
            "steps": self.steps,
            "deferred": self.deferred,
            "deferral_rate": round(self.deferred / self.steps, 4) if self.steps else None,
            "deferred_by": dict(self.deferred_by.most_common()),
            "single": self.alone,
            "changed": changed,
            "changed_to": self._told(self.changes),
            "same_word": spellings,
            "antonym_flips": sum(flips.values()),
            "flips": self._told(Counter(flips)),
        }

    def take(self) -> dict[str, Any]:
        """The report, after which counting begins anew."""
        told = self.report()
        self._clear()
        return told

    def _told(self, pairs: Counter[tuple[int, int]]) -> list[dict[str, Any]]:
        return [
            {"from": self._text(a), "to": self._text(b), "count": n} for (a, b), n in pairs.most_common(SHOWN)
        ]
