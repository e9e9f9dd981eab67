"""No deadline per example: the references (scikit-learn, torchmetrics) are slow, and machines are shared."""

from hypothesis import settings

settings.register_profile("metrics", deadline=None, max_examples=50)
settings.load_profile("metrics")
