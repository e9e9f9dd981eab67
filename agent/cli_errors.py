"""What a failure looks like on the command line: one line on standard error and an exit code, no traceback.

2 is bad usage or input, 1 a run that failed. Knows the names of the project's errors but imports none of
them: an error can only be of a class whose module is already loaded.
"""

from __future__ import annotations

import sys

USAGE, FAILED, INTERRUPTED = 2, 1, 130

INPUT_ERRORS = {
    "foveate.tools.imaging.errors": ("ImageError",),
    "foveate.tools.imaging.frames": ("BoxError",),
    "foveate.tools.imaging.views": ("ViewError",),
    "foveate.tools.imaging.windows": ("WindowError",),
    "foveate.tools.grounding.registry": ("GrounderError",),
    "foveate.tools.semsam.options": ("OptionError",),
    "foveate.tools.semsam.table": ("TableError",),
    "foveate.agent.models.errors": ("ModelError",),
    "foveate.tools.retrieval.documents": ("LibraryError",),
    "foveate.agent.run": ("InputError",),
    "foveate.agent.service.folders": ("FolderInUse",),
    "foveate.evals.contract.problems": ("DataProblem",),
    "foveate.evals.registry": ("UnknownTask",),
    "foveate.evals.inspect.errors": ("EvalInputError",),
}


class InputError(ValueError):
    """Bad usage or input that only the command line can see; one sentence that says what and where."""


class RunError(RuntimeError):
    """A run that began and failed; one sentence that says why."""


def say(text: str) -> None:
    """One line on standard error, whatever line breaks the text holds."""
    print(f"foveate: {' '.join(text.split())}", file=sys.stderr)


def explain(error: Exception) -> int:
    """Say what happened in one line and return the exit code."""
    usage = getattr(error, "format_message", None)
    if usage is not None:
        say(f"{usage().rstrip('.')}. Try 'foveate --help'.")
        return USAGE
    if isinstance(error, RunError):
        say(str(error))
        return FAILED
    if isinstance(error, (InputError, *known_errors())):
        say(str(error))
        return USAGE
    # The message of an unforeseen error may quote a file's content, so only its type is shown.
    say(f"internal error ({type(error).__name__}); run again with --debug for the traceback.")
    return FAILED


def known_errors() -> tuple[type[Exception], ...]:
    """The project's input errors whose modules are loaded."""
    loaded = ((sys.modules.get(module), names) for module, names in INPUT_ERRORS.items())
    return tuple(getattr(module, name) for module, names in loaded if module for name in names)
