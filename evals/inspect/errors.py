"""What can be wrong with an evaluation before it starts, and what can go wrong with one sample of it."""

from __future__ import annotations


class EvalInputError(ValueError):
    """A run that cannot start as it was asked for; one sentence that says what and what to do."""


class SampleFailed(RuntimeError):
    """A sample that got no answer because a model or an image failed; it is asked again by the next start."""
