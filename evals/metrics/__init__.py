"""Metrics of grounding, answers and their certainty as pure NumPy functions.

No I/O, no models, no tasks, no torch: arrays in, numbers out. One module per kind of prediction.
"""
