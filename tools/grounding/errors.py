"""The error of every grounder. Imports nothing, so that anything may raise it."""


class GrounderError(ValueError):
    """A grounder that is not known, cannot be loaded or cannot take what it was given; one sentence."""


class GrounderMemoryError(GrounderError):
    """The grounder ran out of memory: the input may be good, the run failed; one sentence."""


def out_of_memory(fault: BaseException) -> bool:
    """Whether that is what happened: on the CPU torch has no error class of its own for it."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(fault, MemoryError) or (
        isinstance(fault, RuntimeError) and any(word in str(fault) for word in words)
    )
