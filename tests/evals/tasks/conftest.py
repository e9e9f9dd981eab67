"""No deadline per example: machines are shared, and some examples open volumes."""

from hypothesis import settings

settings.register_profile("tasks", deadline=None, max_examples=50)
settings.load_profile("tasks")
