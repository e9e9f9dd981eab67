"""What a loader says of a file that it cannot use. Knows no benchmark and no format."""

from __future__ import annotations


class DataProblem(ValueError):
    """A file of a benchmark that cannot be used: `FILE[, line N]: what is wrong; expected ….` One sentence.

    Loaders raise it (or a class of their own under it) before a run starts; it never quotes a text of the
    file, which may name a patient.
    """
