"""The error of every grounder. Imports nothing, so that anything may raise it."""


class GrounderError(ValueError):
    """A grounder that is not known, cannot be loaded or cannot take what it was given; one sentence."""


class GrounderMemoryError(GrounderError):
    """The grounder ran out of memory: the input may be good, the run failed; one sentence."""
