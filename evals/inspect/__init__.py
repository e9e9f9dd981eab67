"""Runs a task's questions through the agent on Inspect AI: configuration, run folder, solver, scorer, resume.

Inspect AI is imported only by `bridge` and `run`. Knows no benchmark and no metric.
"""
