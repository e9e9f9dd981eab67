"""The JSON forms of predictions, readings and targets, there and back.

Knows no file and no metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from foveate.evals.contract.answers import Prediction, Reading


def prediction_of(record: Mapping[str, Any]) -> Prediction:
    """A prediction from `asdict` of one, after JSON."""
    return _adapter(Prediction).validate_python(record)  # type: ignore[no-any-return]


def reading_of(record: Mapping[str, Any]) -> Reading:
    """A reading from its record."""
    return _adapter(Reading).validate_python(record)  # type: ignore[no-any-return]


def reading_record(reading: Reading) -> dict[str, Any]:
    """The JSON form of a reading; a heat map stays with the prediction."""
    record = {**asdict(reading), "detail": dict(reading.detail)}
    del record["heatmap"]
    return record


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
