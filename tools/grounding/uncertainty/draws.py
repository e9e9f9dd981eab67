"""Samples as hypotheses: grounders that, asked again with another seed, may say something else.

The protocol is all that this side knows of them; the agent's vision-language models implement it. Knows no
model and no temperature.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from foveate.tools.grounding.combine import names_of, try_all
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.protocol import Grounder, Grounding
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View


@runtime_checkable
class Sampler(Protocol):
    """A `Grounder` whose model draws its words. `ground` is its likeliest answer, `draw` one of many: the
    same for the same seed, a whole number from 0."""

    name: str

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        """As in `Grounder`."""
        ...

    def draw(self, view: View, image: SourceImage, phrases: Sequence[str], seed: int) -> list[Grounding]:
        """As `ground`. Raises GrounderError for a reply that cannot be read."""
        ...


@dataclass
class Draw:
    """One seed of a sampler as a grounder of its own."""

    name: str
    sampler: Sampler
    seed: int

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        return self.sampler.draw(view, image, phrases, self.seed)


@dataclass(frozen=True)
class Drawn:
    """What the draw of a seed of `part` says of one phrase: `found`, or the reason in `failure`."""

    part: str
    seed: int
    found: Grounding | None
    failure: str


def draws(
    parts: Sequence[Grounder], view: View, image: SourceImage, phrase: str, samples: int
) -> Iterator[Drawn]:
    """`samples` draws of every part that can draw. One phrase at a time: a reply that cannot be read is of
    that phrase alone."""
    for own, part in zip(names_of(parts), parts, strict=True):
        if not isinstance(part, Sampler):
            continue
        for seed in range(samples):
            answers = try_all([Draw(own, part, seed)], view, image, [phrase])
            found = answers.of(0).get(own)
            yield Drawn(own, seed, found, answers.failed.get(own, ""))


def check_draws(name: str, parts: Sequence[Grounder], samples: int) -> None:
    """Raises GrounderError when samples are asked of parts none of which can draw."""
    if samples and not any(isinstance(part, Sampler) for part in parts):
        told = ", ".join(part.name for part in parts)
        raise GrounderError(
            f"samples={samples} in {name!r} needs a part that can draw, such as vlm; not {told}."
        )
