"""How much accuracy, boxes, abstention and tool calls change when images are corrupted.

A corruption sees each slice through the image's own window, as a picture from 0 to 1, and the result is put
back at the intensities of that window: what lies beyond it is cut off, in every severity alike. MedMNIST-C's
error is kept without its AlexNet normaliser. Knows no benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from foveate.evals.contract.questions import Question
from foveate.evals.contract.tasks import Scored, Task
from foveate.evals.corruptions import CORRUPTIONS, Corruption
from foveate.evals.inspect.errors import EvalInputError
from foveate.evals.metrics.bootstrap import paired_bootstrap
from foveate.evals.metrics.ranking import auroc
from foveate.evals.results import primary
from foveate.evals.variants import Variant
from foveate.tools.imaging.image import SourceImage

SEVERITIES = (1, 2, 3, 4, 5)
TOLD = ("accuracy", "miou_box", "miou_3d", "token_f1")
SUITE = "all"


@dataclass(frozen=True)
class Change:
    """One corruption at one severity against the plain run. `metrics` has (before, after, difference, low,
    high) by name; `auroc` is how well not being sure tells corrupted from clean images (0.5: not at all)."""

    corruption: str
    severity: int
    n: int
    metrics: Mapping[str, tuple[float, float, float, float, float]]
    abstained: tuple[float, float]
    tool_calls: tuple[float, float]
    auroc: float

    def record(self) -> dict[str, Any]:
        """The JSON form in results.json."""
        return asdict(self)


def variants(chosen: Sequence[str], color: bool) -> list[Variant]:
    """Of "NAME", "NAME:SEVERITY" or "all"; raises EvalInputError.

    "all" is every corruption that fits the images and moves no edges, at every severity.
    """
    pairs = dict.fromkeys(pair for text in chosen for pair in _parsed(text, color))
    return [_variant(CORRUPTIONS[name], severity) for name, severity in pairs]


def change(
    task: Task,
    name: str,
    base: Sequence[Scored],
    run: Sequence[Scored],
    calls: tuple[Mapping[str, int], Mapping[str, int]],
) -> Change:
    """`name` is the variant's; `calls` are tool calls by question, of the plain run and of this one."""
    corruption, _, severity = name.partition("-")
    before = {sample.id: sample for sample in base}
    pairs = [(before[sample.id], sample) for sample in run]
    held = {m: [(a, b) for a, b in pairs if m in a.values and m in b.values] for m in _names(task, base)}
    unsure = [[_unsure(sample) for sample in side] for side in zip(*pairs, strict=True)]
    return Change(
        corruption=corruption,
        severity=int(severity),
        n=len(pairs),
        metrics={metric: _difference(metric, both) for metric, both in held.items() if both},
        abstained=(_abstained(a for a, _ in pairs), _abstained(b for _, b in pairs)),
        tool_calls=(_mean(calls[0][a.id] for a, _ in pairs), _mean(calls[1][b.id] for _, b in pairs)),
        auroc=auroc([*unsure[0], *unsure[1]], [False] * len(pairs) + [True] * len(pairs)),
    )


def corrupted(
    image: SourceImage, question: Question, number: int, *, corruption: Corruption, severity: int
) -> SourceImage:
    """Every slice of the image corrupted, each by its own draw."""
    slices = [
        _slice(image, image.pixels[index], corruption, severity, index) for index in range(image.n_slices)
    ]
    return replace(image, pixels=np.stack(slices))


def _slice(
    image: SourceImage, pixels: npt.NDArray[Any], corruption: Corruption, severity: int, index: int
) -> npt.NDArray[Any]:
    window = image.default_window
    low, width = (
        (0.0, 255.0) if image.color or window is None else (window.center - window.width / 2, window.width)
    )
    picture = np.clip((pixels.astype(np.float64) - low) / width, 0.0, 1.0)
    made = corruption(picture, severity, seed=index) * width + low
    return made.astype(pixels.dtype) if pixels.dtype.kind == "f" else _whole(made, pixels.dtype)


def _whole(values: npt.NDArray[np.float64], kind: np.dtype[Any]) -> npt.NDArray[Any]:
    limits = np.iinfo(kind)
    return np.clip(np.rint(values), limits.min, limits.max).astype(kind)


def _variant(corruption: Corruption, severity: int) -> Variant:
    name = f"{corruption.name}-{severity}"
    return Variant(name, partial(corrupted, corruption=corruption, severity=severity))


def _parsed(text: str, color: bool) -> list[tuple[str, int]]:
    name, colon, severity = text.partition(":")
    if name == SUITE:
        names = [c.name for c in CORRUPTIONS.values() if not c.moves and (color or not c.color)]
    elif name in CORRUPTIONS:
        names = [name]
    else:
        known = ", ".join(CORRUPTIONS)
        raise EvalInputError(f"--corrupt {name[:40]!r} is no corruption; there are: all, {known}.")
    if CORRUPTIONS[names[0]].color and not color:
        raise EvalInputError(f"--corrupt {name} needs colour images, and these are gray.")
    if not colon:
        return [(each, level) for each in names for level in SEVERITIES]
    if severity not in {str(level) for level in SEVERITIES}:
        raise EvalInputError(f"--corrupt {text[:40]!r}: a severity is 1 to 5.")
    return [(each, int(severity)) for each in names]


def _names(task: Task, base: Sequence[Scored]) -> list[str]:
    held = {name for sample in base for name in sample.values}
    first = primary(task.metrics, base)
    return list(dict.fromkeys([*([first] if first else []), *(name for name in TOLD if name in held)]))


def _difference(
    metric: str, both: Sequence[tuple[Scored, Scored]]
) -> tuple[float, float, float, float, float]:
    one, two = [a.values[metric] for a, _ in both], [b.values[metric] for _, b in both]
    told = paired_bootstrap(two, one, [a.cluster for a, _ in both]).interval
    return float(np.mean(one)), float(np.mean(two)), told.estimate, told.low, told.high


def _unsure(sample: Scored) -> float:
    """1 for an abstention, else what is left of the stated confidence."""
    if sample.reading.outcome == "abstained":
        return 1.0
    return 0.0 if sample.reading.confidence is None else 1.0 - sample.reading.confidence


def _abstained(samples: Any) -> float:
    return _mean(sample.reading.outcome == "abstained" for sample in samples)


def _mean(values: Any) -> float:
    return float(np.mean([float(value) for value in values]))
