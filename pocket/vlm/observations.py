"""What the agent's tools said, as the teacher reads it: regions and sizes out of the observations' own words.

Knows the wording of prompts/compact/lines.toml; nothing of labels, questions or plans.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

REGION = re.compile(r"^(E\d+) (.+?) \[([\d., -]+)\] score ([\d.]+)(.*)$")
SIZE = re.compile(r"^E\d+ ([\d.]+ x [\d.]+ (?:mm|pixels))")


@dataclass(frozen=True)
class Found:
    """A region as the model read it."""

    id: str
    label: str
    box: tuple[float, ...]
    score: str
    place: str


@dataclass
class Turn:
    """The observations of one step, in call order."""

    texts: list[str]

    def failed(self, i: int = 0) -> bool:
        return i >= len(self.texts) or self.texts[i].startswith("error")

    def regions(self, i: int = 0) -> list[Found]:
        found = (REGION.match(line) for line in self.texts[i].splitlines()) if i < len(self.texts) else ()
        return [
            Found(m[1], m[2], tuple(float(v) for v in m[3].split(",")), m[4], m[5].strip())
            for m in found
            if m
        ]

    def size(self, i: int = 0) -> str:
        match = SIZE.match(self.texts[i])
        return match[1] if match else ""
