"""No deadline per example: machines are shared."""

from hypothesis import settings

settings.register_profile("scoring", deadline=None, max_examples=50)
settings.load_profile("scoring")
