"""Faithfulness and robustness studies of a finished run: the variants are run, and their effects told.

Each variant is a run of its own, in `variants/NAME` under the run's folder, resumed like any other. Knows no
benchmark and no Inspect AI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from foveate.evals import faithfulness, robustness
from foveate.evals.compare import samples_of
from foveate.evals.contract.questions import Items
from foveate.evals.contract.tasks import Scored, Task
from foveate.evals.report import Section, plots
from foveate.evals.variants import Variant, changed_items

Run = Callable[[str, Items], tuple[Path, Sequence[Scored]]]
"""Runs the items as the variant of that name; returns the run's folder and its scored samples."""
Study = tuple[dict[str, Any], Section]
FAITHFUL_WORDS = (
    "The same questions on images whose content was taken away. An answer that does not change without the "
    "image did not come from it; masking the cited boxes should change more than masking as much elsewhere."
)
ROBUST_WORDS = (
    "The same questions on corrupted images (after MedMNIST-C, severities scaled to the images). AUROC: "
    "how well not being sure tells corrupted from clean images; 0.5 is not at all."
)


def faithful(task: Task, items: Items, folder: Path, base: Sequence[Scored], run: Run) -> Study:
    """How much the answers depend on the image and on their own evidence."""
    runs = {variant.name: run(variant.name, changed_items(items, variant))[1] for variant in _all(base)}
    sizes = {
        name: float(record["size"][0]) for name, record in samples_of(folder).items() if record.get("size")
    }
    told = faithfulness.summary(task, base, runs, sizes)
    rows = [_effect_row(effect) for effect in told.effects]
    words = [
        FAITHFUL_WORDS,
        f"On the image: {_share(told.on_image)}.",
        f"On its own evidence: {_share(told.on_evidence)}.",
    ]
    if told.shuffled is not None:
        metric, own, others = told.shuffled
        words.append(f"{metric} with its own boxes {own:.3f}, with another question's {others:.3f}.")
    columns = ("images", "n", "answers changed", "metric", "before", "after", "difference", "abstained")
    return told.record(), Section("Faithfulness", " ".join(words), columns, rows)


def robust(
    task: Task, items: Items, folder: Path, base: Sequence[Scored], chosen: Sequence[str], run: Run
) -> Study:
    """How much corruptions change. Raises EvalInputError for a corruption that is none."""
    calls, changes = _calls(folder), []
    for variant in robustness.variants(chosen, color=_color(items)):
        path, samples = run(variant.name, changed_items(items, variant))
        changes.append(robustness.change(task, variant.name, base, samples, (calls, _calls(path))))
    metrics = list(dict.fromkeys(name for change in changes for name in change.metrics))
    columns = (
        "corruption",
        "severity",
        *(f"Δ {name}" for name in metrics),
        "abstained",
        "tool calls",
        "AUROC",
    )
    rows = [_change_row(change, metrics) for change in changes]
    section = Section("Robustness", ROBUST_WORDS, columns, rows, _curves(changes, metrics))
    return {"changes": [change.record() for change in changes]}, section


def check_corruptions(chosen: Sequence[str], items: Items) -> None:
    """Raises EvalInputError before anything is run."""
    if chosen:
        robustness.variants(chosen, color=_color(items))


def _all(base: Sequence[Scored]) -> list[Variant]:
    return faithfulness.variants(base)


def _color(items: Items) -> bool:
    """Whether the first image is a colour one: data sets are of one kind."""
    return bool(items.questions[0].images[0].open().color)


def _calls(folder: Path) -> Mapping[str, int]:
    return {name: int(record["tool_calls"]) for name, record in samples_of(folder).items()}


def _effect_row(effect: faithfulness.Effect) -> list[str]:
    before, after = (("" if v is None else f"{v:.3f}") for v in (effect.before, effect.after))
    return [
        effect.variant,
        str(effect.n),
        _interval(effect.changed),
        effect.metric or "",
        before,
        after,
        "" if effect.difference is None else _interval(effect.difference, "+"),
        f"{effect.abstained_before:.2f} → {effect.abstained_after:.2f}",
    ]


def _change_row(change: robustness.Change, metrics: Sequence[str]) -> list[str]:
    told = [change.metrics.get(name) for name in metrics]
    return [
        change.corruption.replace("_", " "),
        str(change.severity),
        *("" if one is None else _interval(one[2:], "+") for one in told),
        f"{change.abstained[0]:.2f} → {change.abstained[1]:.2f}",
        f"{change.tool_calls[0]:.2f} → {change.tool_calls[1]:.2f}",
        f"{change.auroc:.2f}",
    ]


def _curves(changes: Sequence[robustness.Change], metrics: Sequence[str]) -> str:
    """The first metric against severity; severity 0 is the plain run."""
    if not metrics:
        return ""
    series: dict[str, list[tuple[float, float]]] = {}
    for change in changes:
        if metrics[0] in change.metrics:
            before, after = change.metrics[metrics[0]][:2]
            points = series.setdefault(change.corruption.replace("_", " "), [(0.0, before)])
            points.append((float(change.severity), after))
    return plots.curve(list(series.items()), "severity", metrics[0]) if series else ""


def _interval(told: Sequence[float], sign: str = "") -> str:
    return f"{told[0]:{sign}.3f} ({told[1]:{sign}.3f} – {told[2]:{sign}.3f})"


def _share(told: tuple[float, float, float] | None) -> str:
    return "nothing was cited" if told is None else f"{told[0]:.2f} ({told[1]:.2f} – {told[2]:.2f})"
