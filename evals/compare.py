"""Two runs of one task, sample by sample: paired differences with intervals, and McNemar's test where binary.

Reads run folders only; needs neither the data nor a model. Knows no Inspect AI.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from foveate.evals.inspect.configuration import differing
from foveate.evals.inspect.errors import EvalInputError
from foveate.evals.inspect.folder import SAMPLES, read_run
from foveate.evals.metrics.bootstrap import mcnemar_exact, paired_bootstrap

Values = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Pair:
    """One metric on the samples that both runs have: `difference` is first minus second."""

    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    p_value: float
    mcnemar: float | None
    n: int
    clusters: int


@dataclass(frozen=True)
class Comparison:
    """`differs` names what the configurations do not share; `alone` counts samples that one run has only."""

    task: str
    runs: tuple[str, str]
    differs: Mapping[str, tuple[Any, Any]]
    pairs: tuple[Pair, ...]
    shared: int
    alone: tuple[int, int]

    def record(self) -> dict[str, Any]:
        """What `foveate compare --json` prints."""
        return asdict(self)


def compared(first: Path, second: Path) -> Comparison:
    """The comparison of two run folders. Raises EvalInputError when they cannot be paired."""
    runs = [read_run(path)["configuration"] for path in (first, second)]
    if runs[0]["task"] != runs[1]["task"]:
        raise EvalInputError(
            f"{first} ran {runs[0]['task']} and {second} {runs[1]['task']}; compare one task."
        )
    values = samples_of(first), samples_of(second)
    shared = [name for name in values[0] if name in values[1]]
    if not shared:
        raise EvalInputError(f"{first} and {second} have no question in common.")
    return Comparison(
        task=runs[0]["task"],
        runs=(str(first), str(second)),
        differs={name: (runs[0].get(name), runs[1].get(name)) for name in differing(*runs)},
        pairs=paired(*values),
        shared=len(shared),
        alone=(len(values[0]) - len(shared), len(values[1]) - len(shared)),
    )


def paired(first: Values, second: Values) -> tuple[Pair, ...]:
    """Every metric that both runs have on shared samples, in the order of the first run."""
    shared = [name for name in first if name in second]
    names = dict.fromkeys(metric for name in shared for metric in first[name]["values"])
    pairs = (_pair(metric, shared, first, second) for metric in names)
    return tuple(pair for pair in pairs if pair is not None)


def samples_of(path: Path) -> dict[str, dict[str, Any]]:
    """A finished run's samples by id: {cluster, outcome, verdict, values, …}. Raises EvalInputError."""
    try:
        lines = (path / SAMPLES).read_text(encoding="utf-8").splitlines()
    except OSError:
        raise EvalInputError(
            f"{path} holds no finished run: there is no {SAMPLES}; run it to its end."
        ) from None
    records = (json.loads(line) for line in lines)
    return {record["id"]: record for record in records}


def _pair(metric: str, shared: list[str], first: Values, second: Values) -> Pair | None:
    held = [n for n in shared if metric in first[n]["values"] and metric in second[n]["values"]]
    if not held:
        return None
    a = [float(first[name]["values"][metric]) for name in held]
    b = [float(second[name]["values"][metric]) for name in held]
    told = paired_bootstrap(a, b, [first[name]["cluster"] for name in held])
    binary = {*a, *b} <= {0.0, 1.0}
    return Pair(
        metric,
        sum(a) / len(a),
        sum(b) / len(b),
        told.interval.estimate,
        told.interval.low,
        told.interval.high,
        told.p_value,
        mcnemar_exact([v == 1 for v in a], [v == 1 for v in b]) if binary else None,
        len(held),
        told.interval.clusters,
    )
