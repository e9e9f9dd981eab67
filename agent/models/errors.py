"""The one error that a model call may raise to its caller.

Knows nothing about providers; `servers.py` and `hf.py` translate theirs into it.
"""


class ModelError(RuntimeError):
    """A model could not be loaded or called. The text is one clear sentence without secrets."""
