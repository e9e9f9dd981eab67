"""Checks between the answer and whoever asked: what they refute does not leave as a supported claim."""
